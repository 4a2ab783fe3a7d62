package ginlimit

import (
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"

	"github.com/ginlimit/ginlimit/internal/marks"
)

// Option changes one setting of a limiter. Options work in any order; of two that set the same, the last one counts.
type Option func(*config)

type config struct {
	client      redis.Cmdable
	interval    time.Duration
	limit       int
	limitSet    bool
	limitFunc   func(*gin.Context) int
	cost        func(*gin.Context) int
	scope       Scope
	identity    func(*gin.Context) string
	ipv6Prefix  int
	prefix      string
	refund      func(*gin.Context) bool
	denied      func(*gin.Context, Decision)
	observers   []func(*gin.Context, Decision)
	headers     bool
	dryRun      bool
	timeout     time.Duration
	failure     Failure
	capacity    int
	logger      *slog.Logger
	whoseClient string // the option that says who the client is, where one was used
	wrong       string // what is wrong with the first wrong option
}

func newConfig(opts []Option) config {
	cfg := config{
		interval:   3 * time.Second,
		limit:      1,
		ipv6Prefix: 64,
		prefix:     "ginlimit",
		timeout:    100 * time.Millisecond,
		capacity:   65536,
	}
	for i, opt := range opts {
		if opt == nil {
			cfg.require(false, "New: option %d of %d is nil", i+1, len(opts))
			continue
		}
		opt(&cfg)
	}
	cfg.require(cfg.capacity >= cfg.limit || cfg.limit > marks.MostSingle,
		"WithCapacity(%d): is under the limit of %d, so the limit could never be reached", cfg.capacity, cfg.limit)
	cfg.require(cfg.limitFunc == nil || !cfg.limitSet,
		"WithLimit(%d) with WithLimitFunc: only one of them can say what the limit is", cfg.limit)
	cfg.require(cfg.scope != PathOnly || cfg.whoseClient == "",
		"%s with WithScope(PathOnly): everyone is the same client there", cfg.whoseClient)
	if cfg.wrong != "" {
		panic("ginlimit: " + cfg.wrong)
	}
	return cfg
}

// require remembers the first thing that is wrong, so that New panics after it has read all options.
func (cfg *config) require(right bool, format string, args ...any) {
	if !right && cfg.wrong == "" {
		cfg.wrong = fmt.Sprintf(format, args...)
	}
}

// WithRedis keeps the marks in Redis, where every process sees them. It takes a *redis.Client (also of a Sentinel), a
// *redis.ClusterClient, a *redis.Ring, any redis.UniversalClient and the client's automatic pipeliner. Commands of requests
// that come at once travel together, without any request's values; only a command that travels alone has those of its
// request's context. What wraps a client is used through its own methods, a command at a time. With ContextTimeoutEnabled in
// the client's options a request that is alone costs less. Without WithRedis the marks are in this process's memory.
//
// Wrong: nil, a nil pointer, and a redis.Pipeliner or *redis.Tx, which only queue commands.
func WithRedis(client redis.Cmdable) Option {
	return func(cfg *config) {
		value := reflect.ValueOf(client)
		cfg.require(value.IsValid() && (value.Kind() != reflect.Pointer || !value.IsNil()),
			"WithRedis(nil): needs a client")
		switch client.(type) {
		case redis.Pipeliner, *redis.Tx:
			cfg.require(false, "WithRedis(%T): only queues commands; pass the client itself", client)
		}
		cfg.client = client
	}
}

// WithInterval sets how long a mark lives, 3s by default. It is rounded up to whole milliseconds.
//
// Wrong: under 1ms.
func WithInterval(d time.Duration) Option {
	return func(cfg *config) {
		cfg.require(d >= time.Millisecond, "WithInterval(%s): must be at least 1ms", d)
		if rest := d % time.Millisecond; rest > 0 {
			d -= rest
			if d <= math.MaxInt64-time.Millisecond {
				d += time.Millisecond
			}
		}
		cfg.interval = d
	}
}

// WithLimit sets how many marks may be alive at once, 1 by default: no window of one interval, wherever it starts, ever
// holds more requests. From 128 on, marks are kept in at most 129 groups, so that memory doesn't grow with the limit; a
// client may then have to wait up to 1/128 of the interval longer than the interval, never less.
//
// A limiter with another limit counts apart: a limit that changes under way belongs into WithLimitFunc.
//
// Wrong: under 1, over 2^53-1, up to 127 over the capacity (see WithCapacity), and any with WithLimitFunc.
func WithLimit(n int) Option {
	return func(cfg *config) {
		cfg.require(n >= 1 && int64(n) <= marks.MostLimit, "WithLimit(%d): must be 1 to %d", n, marks.MostLimit)
		cfg.limit, cfg.limitSet = n, true
	}
}

// WithLimitFunc says how many marks may be alive at once for the client of this request: a plan, a row of a database. Marks go
// on counting when the limit changes. Under 1 the request is denied without asking Redis. It runs once for each Handle
// and Peek; where it panics, no mark is left. By default WithLimit says the limit.
//
// Wrong: nil, and any with WithLimit.
func WithLimitFunc(limit func(*gin.Context) int) Option {
	return func(cfg *config) {
		cfg.require(limit != nil, "WithLimitFunc(nil): needs a function")
		cfg.limitFunc = limit
	}
}

// WithCost says how many marks this request leaves, all or none: what a bulk request counts for. Under 1 it passes without a
// mark; over the limit it is denied without asking Redis. It runs once for each Handle and Peek; where it panics, no
// mark is left. By default a request leaves one mark.
//
// Wrong: nil.
func WithCost(cost func(*gin.Context) int) Option {
	return func(cfg *config) {
		cfg.require(cost != nil, "WithCost(nil): needs a function")
		cfg.cost = cost
	}
}

// WithScope sets whose requests share marks, PathAndIP by default.
//
// Wrong: anything but PathAndIP, PathOnly and IPOnly.
func WithScope(s Scope) Option {
	return func(cfg *config) {
		cfg.require(s >= PathAndIP && s <= IPOnly, "WithScope(%d): must be PathAndIP, PathOnly or IPOnly", int(s))
		cfg.scope = s
	}
}

// WithIdentity sets who the client is, where an account or an API key says more than an address. An empty string falls
// back to the IP. Identities appear in keys and decisions, so hash what is secret.
//
// Wrong: nil, and any with WithScope(PathOnly).
func WithIdentity(identity func(*gin.Context) string) Option {
	return func(cfg *config) {
		cfg.require(identity != nil, "WithIdentity(nil): needs a function")
		cfg.identity = identity
		cfg.whoseClient = "WithIdentity"
	}
}

// WithIPv6Prefix sets how many leading bits of an IPv6 address are the client, 64 by default: one household or server
// holds a whole /64. 128 tells single addresses apart. A 6to4 site (RFC 3056) is never more than its /48.
//
// Wrong: outside 1–128, and any with WithScope(PathOnly).
func WithIPv6Prefix(bits int) Option {
	return func(cfg *config) {
		cfg.require(bits >= 1 && bits <= 128, "WithIPv6Prefix(%d): must be 1 to 128 bits", bits)
		cfg.ipv6Prefix = bits
		cfg.whoseClient = fmt.Sprintf("WithIPv6Prefix(%d)", bits)
	}
}

// WithPrefix sets the first part of every key, "ginlimit" by default. It is the policy's name in headers and decisions
// too. Use one per service that shares a Redis.
//
// Wrong: anything but 1–64 printable ASCII characters without space, " and \.
func WithPrefix(s string) Option {
	return func(cfg *config) {
		right := len(s) >= 1 && len(s) <= 64
		for _, b := range []byte(s) {
			right = right && b > ' ' && b < 0x7f && b != '"' && b != '\\'
		}
		cfg.require(right, `WithPrefix(%.80q): must be 1 to 64 printable ASCII characters without space, " and \`, s)
		cfg.prefix = s
	}
}

// WithRefund asks, after the handlers ran, whether to take this request's own mark back: a payment that failed upstream,
// or a login that succeeded, so that only failures count. It is not asked where a handler panicked or the client has
// hung up. A refund that fails is a failure of Redis and leaves the response alone. By default no mark is taken back.
// Such a limiter runs the handlers itself, by c.Next: where a handler of yours calls it, what follows there runs last.
//
// Wrong: nil.
func WithRefund(refund func(*gin.Context) bool) Option {
	return func(cfg *config) {
		cfg.require(refund != nil, "WithRefund(nil): needs a function")
		cfg.refund = refund
	}
}

// WithDenied writes the answer to a denied request. Before it runs, the status (429, or 503 in FailClosed) and
// Retry-After are set and the chain is aborted. By default the body is empty.
//
// Wrong: nil.
func WithDenied(denied func(*gin.Context, Decision)) Option {
	return func(cfg *config) {
		cfg.require(denied != nil, "WithDenied(nil): needs a function")
		cfg.denied = denied
	}
}

// WithObserver sees every decision once, before the handlers or the denied function run: the one hook for logs, metrics
// and traces. Several add up, in the order given. By default there is none.
//
// Wrong: nil.
func WithObserver(observe func(*gin.Context, Decision)) Option {
	return func(cfg *config) {
		cfg.require(observe != nil, "WithObserver(nil): needs a function")
		cfg.observers = append(cfg.observers, observe)
	}
}

// WithHeaders adds RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10) to limited responses, but
// for 503 and dry runs. By default only Retry-After is sent, with 429 and 503.
func WithHeaders() Option {
	return func(cfg *config) { cfg.headers = true }
}

// WithDryRun decides, marks and observes, but lets everything through and writes nothing. By default denials are real.
func WithDryRun() Option {
	return func(cfg *config) { cfg.dryRun = true }
}

// WithTimeout sets how long Redis may hold a request up, 100ms by default: all limiters of a request together, each up to its
// own timeout, and all their refunds together once more. After that the failure mode decides.
//
// Wrong: under 1ns.
func WithTimeout(d time.Duration) Option {
	return func(cfg *config) {
		cfg.require(d >= 1, "WithTimeout(%s): must be positive", d)
		cfg.timeout = d
	}
}

// Failure is what a limiter does while Redis can't answer.
type Failure int

const (
	FailLocal  Failure = iota // limit by the marks that this process knows of
	FailOpen                  // let everything through
	FailClosed                // answer 503
)

// String returns "FailLocal", "FailOpen" or "FailClosed".
func (f Failure) String() string {
	return name(int(f), "FailLocal", "FailOpen", "FailClosed")
}

// WithFailure sets what happens while Redis can't answer, FailLocal by default.
//
// Wrong: anything but FailLocal, FailOpen and FailClosed.
func WithFailure(f Failure) Option {
	return func(cfg *config) {
		cfg.require(f >= FailLocal && f <= FailClosed, "WithFailure(%d): must be FailLocal, FailOpen or FailClosed", int(f))
		cfg.failure = f
	}
}

// WithCapacity sets how much one limiter may remember in this process's memory, 65536 by default: marks one by one up to a
// limit of 127, above that clients. At the capacity what is nearest to its end is given up early (GL7). Memory follows
// what is alive. Of limiters that share marks, the largest counts.
//
// Wrong: under 1, or under a limit of up to 127.
func WithCapacity(n int) Option {
	return func(cfg *config) {
		cfg.require(n >= 1, "WithCapacity(%d): must be at least 1", n)
		cfg.capacity = n
	}
}

// WithLogger sets where set-up warnings and outage notices go, slog.Default() by default.
//
// Wrong: nil.
func WithLogger(logger *slog.Logger) Option {
	return func(cfg *config) {
		cfg.require(logger != nil, "WithLogger(nil): needs a logger")
		cfg.logger = logger
	}
}
