package main

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	route    = "/pay"
	interval = time.Minute // of all limits; every measurement is over sooner

	none        = "no limiter"
	hand        = "SetNX by hand"
	handRueidis = "SetNX by hand, rueidis"
	ours        = "ginlimit"
	byDefault   = "ginlimit, default client"
	pipelined   = "ginlimit, pipeliner"
	local       = "ginlimit in memory"
	ulule       = "ulule/limiter"
	redisRate   = "redis_rate"
	jgl         = "gin-rate-limit"
)

// contender is a way to limit a route. Each has a Redis client of its own.
type contender struct {
	name string
	open open // nil: limits nothing
}

// open connects to the Redis at these addresses, several of which are a cluster's.
type open func(addrs []string) (opened, error)

// opened makes a new limiter over the same connections each time.
type opened struct {
	limiter func(limit int) (gin.HandlerFunc, error)
	close   func()
}

var contenders = []contender{
	{none, nil},
	{hand, over(setNX)},
	{handRueidis, setNXRueidis},
	{ours, over(newGinlimit)},
	{byDefault, overDefault(newGinlimit)},
	{pipelined, over(newPipelined)},
	{local, over(newLocal)},
	{ulule, over(newUlule)},
	{redisRate, over(newRedisRate)},
	{jgl, over(newJGL)},
}

// entrant is a contender that is connected, for all its rounds.
type entrant struct {
	contender
	opened
}

func (c contender) enter(addrs []string) (entrant, error) {
	if c.open == nil {
		return entrant{c, opened{close: func() {}}}, nil
	}
	o, err := c.open(addrs)
	return entrant{c, o}, err
}

// engine is a router with one route and a new limiter on it.
func (e entrant) engine(limit int) (*gin.Engine, error) {
	if e.open == nil {
		return engine()
	}
	handler, err := e.limiter(limit)
	if err != nil {
		return nil, err
	}
	return engine(handler)
}

func engine(limiter ...gin.HandlerFunc) (*gin.Engine, error) {
	engine := gin.New()
	engine.Use(limiter...)
	engine.POST(route, func(c *gin.Context) { c.Status(http.StatusOK) })
	return engine, engine.SetTrustedProxies(nil)
}
