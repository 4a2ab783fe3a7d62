package main

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit"
)

// newServer makes one of the servers, with limiters and a Redis client of its own, as a process would.
func newServer(port string, ports []string, rdb *redis.Client) http.Handler {
	r := gin.New()
	// No proxy is in front, so no header may say who the client is: anyone could send one, and never be limited.
	_ = r.SetTrustedProxies(nil)
	r.Use(gin.Recovery(), servedBy(port), allowEachOther(ports))

	limit := func(opts ...ginlimit.Option) gin.HandlerFunc {
		return ginlimit.New(append(opts,
			ginlimit.WithRedis(rdb),
			ginlimit.WithHeaders(),
			ginlimit.WithDenied(tooEarly),
		)...)
	}

	// One payment per client in 10 seconds.
	r.POST("/pay", limit(ginlimit.WithInterval(10*time.Second)), answer("paid"))

	// One report in 30 seconds, whoever asks for it.
	r.POST("/report", limit(
		ginlimit.WithInterval(30*time.Second),
		ginlimit.WithScope(ginlimit.PathOnly),
	), answer("report made"))

	// Five logins per client in any minute.
	r.POST("/login", limit(
		ginlimit.WithLimit(5),
		ginlimit.WithInterval(time.Minute),
	), answer("logged in"))

	// A whole group: each of its routes has marks of its own. Nothing is set, so it is one per client in 3 seconds.
	api := r.Group("/api", limit())
	api.GET("/stock", answer("12 in stock"))
	api.GET("/orders", answer("3 orders"))

	servePage(r)
	r.GET("/marks", listMarks(rdb, ports))
	return r
}

func answer(result string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"result": result, "servedBy": c.GetString("servedBy")})
	}
}

// tooEarly is the answer to a denied request. Its status and Retry-After are set already.
func tooEarly(c *gin.Context, d ginlimit.Decision) {
	c.JSON(c.Writer.Status(), gin.H{
		"error":    "try again in " + d.RetryAfter.Round(time.Millisecond).String(),
		"servedBy": c.GetString("servedBy"),
	})
}

// servedBy says in every response which of the servers it comes from.
func servedBy(port string) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Set("servedBy", port)
		c.Header("X-Served-By", port)
	}
}
