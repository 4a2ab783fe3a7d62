package ginlimit_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit"
)

func paid(c *gin.Context) { c.String(200, "paid") }

func Example_skip() {
	r := newEngine()
	limit := ginlimit.New()
	r.POST("/pay", func(c *gin.Context) {
		if c.GetHeader("Authorization") == "Bearer health-check" {
			return
		}
		limit(c)
	}, paid)
	send(r, "/pay")
	send(r, "/pay")
	send(r, "/pay", "Authorization", "Bearer health-check")
	// Output:
	// 200 paid
	// 429 3
	// 200 paid
}

func Example_stack() {
	r := newEngine()
	r.POST("/pay",
		ginlimit.New(ginlimit.WithPrefix("burst"), ginlimit.WithInterval(time.Second)),
		ginlimit.New(ginlimit.WithPrefix("hourly"), ginlimit.WithLimit(20), ginlimit.WithInterval(time.Hour)),
		paid)
	send(r, "/pay")
	send(r, "/pay")
	// Output:
	// 200 paid
	// 429 1
}

func Example_membersAndGuests() {
	r := newEngine()
	guests := ginlimit.New(ginlimit.WithPrefix("guests"), ginlimit.WithInterval(10*time.Second))
	members := ginlimit.New(ginlimit.WithPrefix("members"), ginlimit.WithLimit(2), ginlimit.WithInterval(10*time.Second),
		ginlimit.WithIdentity(account))
	r.POST("/report", func(c *gin.Context) {
		if account(c) != "" {
			members(c)
		} else {
			guests(c)
		}
	}, func(c *gin.Context) { c.String(200, "report") })
	send(r, "/report")
	send(r, "/report")
	send(r, "/report", "X-Account", "ada")
	send(r, "/report", "X-Account", "ada")
	send(r, "/report", "X-Account", "ada")
	// Output:
	// 200 report
	// 429 10
	// 200 report
	// 200 report
	// 429 10
}

// account stands for what a session or an API key says.
func account(c *gin.Context) string { return c.GetHeader("X-Account") }

func Example_failedLogins() {
	r := newEngine()
	succeeded := func(c *gin.Context) bool { return c.Writer.Status() == 200 }
	byIP := ginlimit.New(ginlimit.WithPrefix("login-ip"), ginlimit.WithLimit(20), ginlimit.WithInterval(time.Hour),
		ginlimit.WithRefund(succeeded))
	byUser := ginlimit.New(ginlimit.WithPrefix("login-user"), ginlimit.WithLimit(2), ginlimit.WithInterval(time.Hour),
		ginlimit.WithRefund(succeeded),
		ginlimit.WithIdentity(func(c *gin.Context) string {
			return strings.ToLower(strings.TrimSpace(c.PostForm("user")))
		}))
	r.POST("/login", byIP, byUser, logIn)
	for _, form := range []string{
		"user=ada&password=right", "user=ada&password=right", "user=ada&password=right",
		"user=ada&password=wrong", "user=Ada+&password=wrong", "user=ADA&password=right",
	} {
		send(r, "/login?"+form)
	}
	// Output:
	// 200 hello
	// 200 hello
	// 200 hello
	// 401 wrong
	// 401 wrong
	// 429 3600
}

func logIn(c *gin.Context) {
	if c.PostForm("password") != "right" {
		c.String(401, "wrong")
		return
	}
	c.String(200, "hello")
}

func Example_cors() {
	r := newEngine()
	limit := ginlimit.New()
	r.Use(func(c *gin.Context) { // or github.com/gin-contrib/cors, before the limiter
		c.Header("Access-Control-Allow-Origin", "https://shop.example")
		c.Header("Access-Control-Expose-Headers", "Retry-After, RateLimit, RateLimit-Policy")
		if c.Request.Method == http.MethodOptions {
			c.AbortWithStatus(http.StatusNoContent)
		}
	})
	r.Use(limit)
	r.POST("/pay", paid)
	r.OPTIONS("/pay", func(c *gin.Context) {})
	for _, method := range []string{"OPTIONS", "OPTIONS", "POST", "POST"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(method, "/pay", nil))
		fmt.Println(method, w.Code, w.Header().Get("Access-Control-Expose-Headers"))
	}
	// Output:
	// OPTIONS 204 Retry-After, RateLimit, RateLimit-Policy
	// OPTIONS 204 Retry-After, RateLimit, RateLimit-Policy
	// POST 200 Retry-After, RateLimit, RateLimit-Policy
	// POST 429 Retry-After, RateLimit, RateLimit-Policy
}

func ExampleWithScope_group() {
	r := newEngine()
	api := r.Group("/api", ginlimit.New(ginlimit.WithPrefix("api"), ginlimit.WithScope(ginlimit.IPOnly)))
	api.POST("/a", func(c *gin.Context) { c.String(200, "a") })
	api.POST("/b", func(c *gin.Context) { c.String(200, "b") })
	send(r, "/api/a")
	send(r, "/api/b")
	// Output:
	// 200 a
	// 429 3
}

// The clients connect with the first request.
func ExampleWithRedis() {
	cluster := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{"redis-1:6379", "redis-2:6379", "redis-3:6379"}, ContextTimeoutEnabled: true,
	})
	sentinel := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "main", SentinelAddrs: []string{"sentinel-1:26379", "sentinel-2:26379"}, ContextTimeoutEnabled: true,
	})
	encrypted := redis.NewClient(&redis.Options{
		Addr: "redis.example:6380", TLSConfig: &tls.Config{ServerName: "redis.example"}, ContextTimeoutEnabled: true,
	})
	pipeliner, err := redis.NewClient(&redis.Options{Addr: "redis:6379"}).AutoPipeline()
	for _, client := range []redis.Cmdable{cluster, sentinel, encrypted, pipeliner} {
		fmt.Printf("%T %t\n", client, ginlimit.New(ginlimit.WithRedis(client), ginlimit.WithLogger(silent)) != nil)
	}
	fmt.Println(err)
	// Output:
	// *redis.ClusterClient true
	// *redis.Client true
	// *redis.Client true
	// *redis.AutoPipeliner true
	// <nil>
}
