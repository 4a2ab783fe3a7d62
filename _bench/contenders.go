package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	ratelimit "github.com/JGLTechnologies/gin-rate-limit"
	"github.com/gin-gonic/gin"
	"github.com/ginlimit/ginlimit"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/ulule/limiter/v3"
	ululegin "github.com/ulule/limiter/v3/drivers/middleware/gin"
	ululeredis "github.com/ulule/limiter/v3/drivers/store/redis"
)

const (
	route    = "/pay"
	interval = time.Minute // all limit to one request in it; every measurement is over sooner

	none  = "no limiter"
	hand  = "SetNX by hand"
	ours  = "ginlimit"
	local = "ginlimit in memory"
)

// contender is a way to limit a route. Each has a Redis client of its own.
type contender struct {
	name            string
	ignoreDeadlines bool // the client is as redis.NewClient makes it by default
	limiter         func(*redis.Client) (gin.HandlerFunc, error)
}

var contenders = []contender{
	{name: none},
	{name: hand, limiter: setNX},
	{name: ours, limiter: newGinlimit},
	{name: "ginlimit, default client", limiter: newGinlimit, ignoreDeadlines: true},
	{name: "ginlimit, pipeliner", limiter: newPipelined},
	{name: local, limiter: newLocal},
	{name: "ulule/limiter", limiter: newUlule},
	{name: "redis_rate", limiter: newRedisRate},
	{name: "gin-rate-limit", limiter: newJGL},
}

func (c contender) client(addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: !c.ignoreDeadlines})
}

// engine is a router with one limited route. Without a client it can only be a contender that needs none.
func (c contender) engine(client *redis.Client) (*gin.Engine, error) {
	engine := gin.New()
	if err := engine.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	if c.limiter != nil {
		limit, err := c.limiter(client)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		engine.Use(limit)
	}
	engine.POST(route, func(c *gin.Context) { c.Status(http.StatusOK) })
	return engine, nil
}

func setNX(client *redis.Client) (gin.HandlerFunc, error) {
	return func(c *gin.Context) {
		key := "limit:" + c.FullPath() + ":" + c.ClientIP()
		first, err := client.SetNX(c.Request.Context(), key, 1, interval).Result()
		switch {
		case err != nil:
			c.AbortWithStatus(http.StatusInternalServerError)
		case !first:
			c.AbortWithStatus(http.StatusTooManyRequests)
		}
	}, nil
}

func newGinlimit(client *redis.Client) (gin.HandlerFunc, error) {
	return limitOver(client), nil
}

func newPipelined(client *redis.Client) (gin.HandlerFunc, error) {
	pipeliner, err := client.AutoPipeline()
	if err != nil {
		return nil, err
	}
	return limitOver(pipeliner), nil
}

func newLocal(*redis.Client) (gin.HandlerFunc, error) {
	return ginlimit.New(ginlimit.WithInterval(interval), ginlimit.WithLogger(quiet)), nil
}

func limitOver(client redis.Cmdable) gin.HandlerFunc {
	return ginlimit.New(ginlimit.WithRedis(client), ginlimit.WithInterval(interval), ginlimit.WithLogger(quiet))
}

func newUlule(client *redis.Client) (gin.HandlerFunc, error) {
	store, err := ululeredis.NewStore(client)
	if err != nil {
		return nil, err
	}
	return ululegin.NewMiddleware(limiter.New(store, limiter.Rate{Period: interval, Limit: 1})), nil
}

// newRedisRate is a handler as redis_rate's documentation has it; it brings none for Gin.
func newRedisRate(client *redis.Client) (gin.HandlerFunc, error) {
	limiter := redis_rate.NewLimiter(client)
	limit := redis_rate.Limit{Rate: 1, Burst: 1, Period: interval}
	return func(c *gin.Context) {
		result, err := limiter.Allow(c.Request.Context(), c.FullPath()+":"+c.ClientIP(), limit)
		switch {
		case err != nil:
			c.AbortWithStatus(http.StatusInternalServerError)
		case result.Allowed == 0:
			c.AbortWithStatus(http.StatusTooManyRequests)
		}
	}, nil
}

func newJGL(client *redis.Client) (gin.HandlerFunc, error) {
	store := ratelimit.RedisStore(&ratelimit.RedisOptions{Rate: interval, Limit: 1, RedisClient: client, PanicOnErr: true})
	return ratelimit.RateLimiter(store, nil), nil
}

var quiet = slog.New(outages{slog.DiscardHandler})
