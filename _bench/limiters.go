package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	ratelimit "github.com/JGLTechnologies/gin-rate-limit"
	"github.com/gin-gonic/gin"
	"github.com/ginlimit/ginlimit"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/ulule/limiter/v3"
	ululegin "github.com/ulule/limiter/v3/drivers/middleware/gin"
	ululeredis "github.com/ulule/limiter/v3/drivers/store/redis"
)

type maker func(client redis.UniversalClient, limit int) (gin.HandlerFunc, error)

func over(m maker) open { return m.over(true) }

// overDefault takes the client as redis.NewClient makes it by default.
func overDefault(m maker) open { return m.over(false) }

func (m maker) over(deadlines bool) open {
	return func(addrs []string) (opened, error) {
		client := goRedis(addrs, deadlines)
		return opened{
			limiter: func(limit int) (gin.HandlerFunc, error) { return m(client, limit) },
			close:   func() { _ = client.Close() },
		}, nil
	}
}

func goRedis(addrs []string, deadlines bool) redis.UniversalClient {
	return redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addrs, ContextTimeoutEnabled: deadlines})
}

func setNX(client redis.UniversalClient, _ int) (gin.HandlerFunc, error) {
	return func(c *gin.Context) {
		key := "limit:" + c.FullPath() + ":" + c.ClientIP()
		first, err := client.SetNX(c.Request.Context(), key, 1, interval).Result()
		answer(c, first, err)
	}, nil
}

func setNXRueidis(addrs []string) (opened, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: addrs, ForceSingleClient: len(addrs) == 1, DisableCache: true,
	})
	if err != nil {
		return opened{}, err
	}
	handler := func(c *gin.Context) {
		key := "limit:" + c.FullPath() + ":" + c.ClientIP()
		set := client.B().Set().Key(key).Value("1").Nx().Px(interval).Build()
		err := client.Do(c.Request.Context(), set).Error()
		if rueidis.IsRedisNil(err) {
			answer(c, false, nil)
			return
		}
		answer(c, true, err)
	}
	return opened{func(int) (gin.HandlerFunc, error) { return handler, nil }, client.Close}, nil
}

// answer is what handlers by hand have in common.
func answer(c *gin.Context, allowed bool, err error) {
	switch {
	case err != nil:
		c.AbortWithStatus(http.StatusInternalServerError)
	case !allowed:
		c.AbortWithStatus(http.StatusTooManyRequests)
	}
}

func newGinlimit(client redis.UniversalClient, limit int) (gin.HandlerFunc, error) {
	return limitOver(limit, ginlimit.WithRedis(client)), nil
}

func newPipelined(client redis.UniversalClient, limit int) (gin.HandlerFunc, error) {
	pipeliner, err := client.AutoPipeline()
	if err != nil {
		return nil, err
	}
	return limitOver(limit, ginlimit.WithRedis(pipeliner)), nil
}

func newLocal(_ redis.UniversalClient, limit int) (gin.HandlerFunc, error) {
	return limitOver(limit), nil
}

// limitOver makes a limiter that starts clean: equal ones over one client would go on where the last one was.
func limitOver(limit int, opts ...ginlimit.Option) gin.HandlerFunc {
	prefix := fmt.Sprintf("g%07d", made.Add(1)) // as long as the default one
	return ginlimit.New(append(opts, ginlimit.WithPrefix(prefix),
		ginlimit.WithLimit(limit), ginlimit.WithInterval(interval), ginlimit.WithLogger(quiet))...)
}

var made atomic.Int64

func newUlule(client redis.UniversalClient, limit int) (gin.HandlerFunc, error) {
	store, err := ululeredis.NewStore(client)
	if err != nil {
		return nil, err
	}
	return ululegin.NewMiddleware(limiter.New(store, limiter.Rate{Period: interval, Limit: int64(limit)})), nil
}

// newRedisRate is a handler as redis_rate's documentation has it; it brings none for Gin.
func newRedisRate(client redis.UniversalClient, limit int) (gin.HandlerFunc, error) {
	limiter := redis_rate.NewLimiter(client)
	rate := redis_rate.Limit{Rate: limit, Burst: limit, Period: interval}
	return func(c *gin.Context) {
		result, err := limiter.Allow(c.Request.Context(), c.FullPath()+":"+c.ClientIP(), rate)
		answer(c, err == nil && result.Allowed > 0, err)
	}, nil
}

func newJGL(client redis.UniversalClient, limit int) (gin.HandlerFunc, error) {
	store := ratelimit.RedisStore(&ratelimit.RedisOptions{
		Rate: interval, Limit: uint(limit), RedisClient: client.(*redis.Client), PanicOnErr: true, // takes no cluster
	})
	return ratelimit.RateLimiter(store, nil), nil
}

var quiet = slog.New(outages{slog.DiscardHandler})
