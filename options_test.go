package ginlimit_test

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	. "github.com/ginlimit/ginlimit"
	. "github.com/ginlimit/ginlimit/internal/gintest"
)

func TestWrongOptionsPanicInNew(t *testing.T) {
	var noClient *redis.Client
	var noCluster *redis.ClusterClient
	client := redis.NewClient(&redis.Options{})
	defer func() { _ = client.Close() }()
	for want, opts := range map[string][]Option{
		"ginlimit: New: option 2 of 3 is nil":                                                            {WithLimit(1), nil, WithLimit(2)},
		"ginlimit: WithRedis(nil): needs a client":                                                       {WithRedis(nil)},
		"ginlimit: WithRedis(*redis.Pipeline): only queues commands; pass the client itself":             {WithRedis(client.Pipeline())},
		"ginlimit: WithRedis(*redis.Tx): only queues commands; pass the client itself":                   {WithRedis(&redis.Tx{})},
		"ginlimit: WithInterval(999µs): must be at least 1ms":                                            {WithInterval(999 * time.Microsecond)},
		"ginlimit: WithInterval(-1s): must be at least 1ms":                                              {WithInterval(-time.Second)},
		"ginlimit: WithLimit(0): must be 1 to 9007199254740991":                                          {WithLimit(0)},
		"ginlimit: WithScope(3): must be PathAndIP, PathOnly or IPOnly":                                  {WithScope(3)},
		"ginlimit: WithScope(-1): must be PathAndIP, PathOnly or IPOnly":                                 {WithScope(-1)},
		"ginlimit: WithFailure(3): must be FailLocal, FailOpen or FailClosed":                            {WithFailure(3)},
		"ginlimit: WithIPv6Prefix(0): must be 1 to 128 bits":                                             {WithIPv6Prefix(0)},
		"ginlimit: WithIPv6Prefix(129): must be 1 to 128 bits":                                           {WithIPv6Prefix(129)},
		`ginlimit: WithPrefix(""): must be 1 to 64 printable ASCII characters without space, " and \`:    {WithPrefix("")},
		`ginlimit: WithPrefix("a b"): must be 1 to 64 printable ASCII characters without space, " and \`: {WithPrefix("a b")},
		`ginlimit: WithPrefix("ü"): must be 1 to 64 printable ASCII characters without space, " and \`:   {WithPrefix("ü")},
		"ginlimit: WithTimeout(0s): must be positive":                                                    {WithTimeout(0)},
		"ginlimit: WithCapacity(0): must be at least 1":                                                  {WithCapacity(0)},
		"ginlimit: WithCapacity(2): is under the limit of 3, so the limit could never be reached":        {WithCapacity(2), WithLimit(3)},
		"ginlimit: WithCapacity(126): is under the limit of 127, so the limit could never be reached":    {WithCapacity(126), WithLimit(127)},
		"ginlimit: WithLimit(9007199254740992): must be 1 to 9007199254740991":                           {WithLimit(1 << 53)},
		"ginlimit: WithLimit(5) with WithLimitFunc: only one of them can say what the limit is": {
			WithLimitFunc(func(*gin.Context) int { return 1 }), WithLimit(5)},
		"ginlimit: WithLimitFunc(nil): needs a function": {WithLimitFunc(nil)},
		"ginlimit: WithCost(nil): needs a function":      {WithCost(nil)},
		"ginlimit: WithIdentity(nil): needs a function":  {WithIdentity(nil)},
		"ginlimit: WithRefund(nil): needs a function":    {WithRefund(nil)},
		"ginlimit: WithDenied(nil): needs a function":    {WithDenied(nil)},
		"ginlimit: WithObserver(nil): needs a function":  {WithObserver(nil)},
		"ginlimit: WithLogger(nil): needs a logger":      {WithLogger(nil)},
		"ginlimit: WithIdentity with WithScope(PathOnly): everyone is the same client there": {
			WithIdentity(func(*gin.Context) string { return "" }), WithScope(PathOnly)},
		"ginlimit: WithIPv6Prefix(64) with WithScope(PathOnly): everyone is the same client there": {
			WithScope(PathOnly), WithIPv6Prefix(64)},
	} {
		assert.PanicsWithValue(t, want, func() { New(opts...) })
	}
	assert.PanicsWithValue(t, "ginlimit: WithRedis(nil): needs a client", func() { New(WithRedis(noClient)) })
	assert.PanicsWithValue(t, "ginlimit: WithRedis(nil): needs a client", func() { New(WithRedis(noCluster)) })
}

func TestOptionsPanicInNewOnly(t *testing.T) {
	assert.NotPanics(t, func() { _ = []Option{WithRedis(nil), WithLimit(0), WithInterval(0), WithLogger(nil)} })
}

func TestOptionsThatHaveNothingToDoAreFine(t *testing.T) {
	assert.NotPanics(t, func() {
		New(Quiet, WithTimeout(1), WithFailure(FailClosed), WithHeaders(), WithDryRun(), WithCapacity(1))
		New(Quiet, WithInterval(math.MaxInt64), WithPrefix("!~:#"), WithLogger(slog.Default()))
		New(Quiet, WithScope(PathOnly), WithScope(IPOnly), WithIPv6Prefix(1), WithIPv6Prefix(128))
	})
}

func TestTheLongestIntervalIsForEver(t *testing.T) {
	r := Router()
	r.GET("/x", New(Quiet, WithInterval(math.MaxInt64)), OK)
	assert.Equal(t, 200, Request(r, "GET", "/x", Alice).Code)
	assert.Equal(t, 429, Request(r, "GET", "/x", Alice).Code)
}
