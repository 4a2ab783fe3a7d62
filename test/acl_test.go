package test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// readmeACL is the ACL that the README tells users to set.
func readmeACL(t *testing.T) []any {
	line := regexp.MustCompile("ACL SETUSER [^`]*").FindString(readme(t, "Redis settings"))
	require.NotEmpty(t, line, "the README's ACL")
	var command []any
	for _, word := range strings.Fields(strings.ReplaceAll(line, "\\\n", " ")) {
		command = append(command, word)
	}
	return command
}

// TestTheReadmesACLIsEnough does all that a limiter can with a user who may do nothing else.
func TestTheReadmesACLIsEnough(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	acl := readmeACL(t)
	require.NoError(t, admin.Do(t.Context(), acl...).Err())
	client := redis.NewClient(&redis.Options{
		Addr: server.Addr(), Username: acl[2].(string), Password: "secret", ContextTimeoutEnabled: true,
	})
	t.Cleanup(func() { _ = client.Close() })
	require.ErrorContains(t, client.Set(t.Context(), "other:key", 1, 0).Err(), "NOPERM")
	require.ErrorContains(t, client.FlushAll(t.Context()).Err(), "NOPERM")
	require.NoError(t, admin.ACLLogReset(t.Context()).Err())
	for _, limit := range []int{1, 2, 200} {
		var last ginlimit.Decision
		logged := &gintest.Log{}
		limiter := ginlimit.NewLimiter(patient, ginlimit.WithLogger(logged.Logger()), ginlimit.WithRedis(client),
			ginlimit.WithLimit(limit), ginlimit.WithInterval(300*time.Millisecond),
			ginlimit.WithRefund(func(c *gin.Context) bool { return c.Query("back") != "" }),
			ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { last = d }))
		r := gintest.NewRouter()
		r.GET("/x", limiter.Handle, gintest.OK)
		r.HEAD("/x", func(c *gin.Context) { last = limiter.Peek(c) })
		for name, step := range map[string]func(key string) error{
			"nothing":           func(string) error { return nil },
			"no TTL":            func(key string) error { return admin.Persist(t.Context(), key).Err() },
			"a clock ahead":     func(key string) error { return aheadOf(t, admin, key) },
			"a deleted mark":    func(key string) error { return admin.Del(t.Context(), key).Err() },
			"a mark that ended": func(string) error { time.Sleep(160 * time.Millisecond); return nil },
			"a freed client":    func(key string) error { return limiter.Forget(t.Context(), key) },
		} {
			key := fmt.Sprintf("ginlimit:%d/300ms:/x:ip=203.0.113.7", limit)
			require.NoError(t, limiter.Forget(t.Context(), key))
			for i := range limit + 2 {
				for _, request := range [][2]string{{"HEAD", "/x"}, {"GET", "/x?back=1"}, {"GET", "/x"}} {
					gintest.Request(r, request[0], request[1], gintest.Alice)
					require.NoError(t, last.Err, "%s: %v, limit %d", name, request, limit)
				}
				if i == 0 || i == limit-1 {
					require.NoError(t, step(key))
				}
			}
		}
		assert.Empty(t, logged.Codes())
	}
	refused, err := admin.ACLLog(t.Context(), 10).Result()
	require.NoError(t, err)
	assert.Empty(t, refused)
}

// aheadOf makes marks end later than they can, where each has its own end.
func aheadOf(t *testing.T, admin *redis.Client, key string) error {
	if admin.Type(t.Context(), key).Val() != "zset" {
		return nil
	}
	return admin.ZAdd(t.Context(), key, redis.Z{Score: 9e15, Member: "far"}).Err()
}
