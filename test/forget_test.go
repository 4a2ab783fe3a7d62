package test

import (
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit"
	"github.com/ginlimit/ginlimit/internal/gintest"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// TestOnlyOwnKeysAreForgotten holds for what a person may type into an admin page.
func TestOnlyOwnKeysAreForgotten(t *testing.T) {
	limiter := func(opts ...ginlimit.Option) *ginlimit.Limiter {
		return ginlimit.NewLimiter(append(opts, quiet, ginlimit.WithInterval(10*time.Second))...)
	}
	byIP, byID := limiter(), limiter(ginlimit.WithIdentity(func(*gin.Context) string { return "" }))
	for _, test := range []struct {
		limiter *ginlimit.Limiter
		key     string
		own     bool
	}{
		{byIP, "ginlimit:1/10s:/pay:ip=203.0.113.7", true},
		{byIP, "ginlimit:1/10s:/a:ip=b:ip=203.0.113.7", true}, // a route may have colons
		{byIP, "ginlimit:1/10s:unmatched:ip=unknown", true},
		{byIP, "ginlimit:1/10s:/pay:ip=2001:db8:1:2::/64", true},
		{byIP, "ginlimit:1/10s:/pay:ip=2001:db8:1:2::1", false},
		{byIP, "ginlimit:1/10s:/pay:ip=2001:db8:1:2::/56", false},
		{byIP, "ginlimit:1/10s:/pay:ip=203.0.113.07", false},
		{byIP, "ginlimit:1/10s:/pay:ip=203.0.113.7 ", false},
		{byIP, "ginlimit:1/10s:/pay:ip=", false},
		{byIP, "ginlimit:1/10s:/pay:id=ada", false},
		{byIP, "ginlimit:1/10s:/pay:*", false},
		{byIP, "ginlimit:1/10s:*:ip=203.0.113.7", false},
		{byIP, "ginlimit:1/10s:pay:ip=203.0.113.7", false},
		{byIP, "ginlimit:1/10s::ip=203.0.113.7", false},
		{byIP, "ginlimit:1/10s:ip=203.0.113.7", false},
		{byIP, "ginlimit:2/10s:/pay:ip=203.0.113.7", false},
		{byIP, "sessions:1", false},
		{byIP, "ginlimit:1/10s:", false},
		{byIP, "", false},
		{byID, "ginlimit:1/10s:/pay:id=a%3Ab", true},
		{byID, "ginlimit:1/10s:/pay:id=a%3ab", false},
		{byID, "ginlimit:1/10s:/pay:id=", false},
		{byID, "ginlimit:1/10s:/pay:id=%zz", false},
		{byID, "ginlimit:1/10s:/pay:idh=" + strings.Repeat("0a", 32), true},
		{byID, "ginlimit:1/10s:/pay:idh=" + strings.Repeat("0A", 32), false},
		{byID, "ginlimit:1/10s:/pay:idh=0a", false},
		{byID, "ginlimit:1/10s:/pay:ip=203.0.113.7", true},
		{limiter(ginlimit.WithScope(ginlimit.PathOnly)), "ginlimit:1/10s:/pay:*", true},
		{limiter(ginlimit.WithScope(ginlimit.PathOnly)), "ginlimit:1/10s:/pay:ip=203.0.113.7", false},
		{limiter(ginlimit.WithScope(ginlimit.IPOnly)), "ginlimit:1/10s:*:ip=203.0.113.7", true},
		{limiter(ginlimit.WithScope(ginlimit.IPOnly)), "ginlimit:1/10s:/pay:ip=203.0.113.7", false},
		{limiter(ginlimit.WithLimitFunc(func(*gin.Context) int { return 1 })), "ginlimit:*/10s:/pay:ip=203.0.113.7", true},
	} {
		err := test.limiter.Forget(t.Context(), test.key)
		if test.own {
			assert.NoError(t, err, "%q", test.key)
		} else {
			assert.ErrorContains(t, err, "ginlimit: Forget(", "%q", test.key)
		}
	}
}

// TestForgetFreesItsClientAndDeletesNothingElse frees a client in this process and in Redis, at once.
func TestForgetFreesItsClientAndDeletesNothingElse(t *testing.T) {
	server := redistest.Start(t)
	admin := server.Client()
	require.NoError(t, admin.Set(t.Context(), "sessions:1", "other", 0).Err())
	for name, where := range map[string][]ginlimit.Option{
		"memory": {quiet}, "redis": {quiet, patient, ginlimit.WithRedis(redistest.Dial(t, server.Addr()))},
	} {
		for _, limit := range []int{1, 2, 200} {
			var key string
			limiter := ginlimit.NewLimiter(append(where[:len(where):len(where)], ginlimit.WithLimit(limit), ginlimit.WithInterval(time.Hour),
				ginlimit.WithObserver(func(_ *gin.Context, d ginlimit.Decision) { key = d.Key }))...)
			r := gintest.NewRouter()
			r.GET("/x", limiter.Handle, gintest.OK)
			for range limit {
				require.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code, name)
			}
			require.Equal(t, 429, gintest.Request(r, "GET", "/x", gintest.Alice).Code, name)
			require.Error(t, limiter.Forget(t.Context(), "sessions:1"))
			require.NoError(t, limiter.Forget(t.Context(), key))
			assert.Equal(t, 200, gintest.Request(r, "GET", "/x", gintest.Alice).Code, "%s, limit %d", name, limit)
		}
	}
	assert.Equal(t, "other", admin.Get(t.Context(), "sessions:1").Val())
}

// TestGroupsShareMarksWherePrefixPolicyAndScopeAreEqual is the README's word on two groups with IPOnly.
func TestGroupsShareMarksWherePrefixPolicyAndScopeAreEqual(t *testing.T) {
	server := redistest.Start(t)
	for name, test := range map[string]struct {
		prefix string
		want   int
	}{"one prefix": {"shared", 429}, "a prefix each": {"second", 200}} {
		client := ginlimit.WithRedis(redistest.Dial(t, server.Addr()))
		scope := ginlimit.WithScope(ginlimit.IPOnly)
		r := gintest.NewRouter()
		r.Group("/a", ginlimit.New(quiet, patient, client, scope, ginlimit.WithPrefix("shared"))).GET("/x", gintest.OK)
		r.Group("/b", ginlimit.New(quiet, patient, client, scope, ginlimit.WithPrefix(test.prefix))).GET("/x", gintest.OK)
		require.Equal(t, 200, gintest.Request(r, "GET", "/a/x", gintest.Alice).Code, name)
		assert.Equal(t, test.want, gintest.Request(r, "GET", "/b/x", gintest.Alice).Code, name)
		require.NoError(t, server.Client().FlushAll(t.Context()).Err())
	}
}
