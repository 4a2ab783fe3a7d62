package line

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

const (
	patient = 10 * time.Second
	timeout = 100 * time.Millisecond
	margin  = 2 * time.Second // how much later than promised a noisy machine may be
)

func set(key string) *Call {
	return &Call{Key: key, Commands: []*Command{NewCommand("set", key, 1, "px", int64(60000), "nx")}}
}

func do(l *Line, c *Call, wait time.Duration) error {
	return l.Node(c.Key).Do(context.Background(), c, wait, true)
}

func newClient(t testing.TB, options redis.Options) *redis.Client {
	client := redis.NewClient(&options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// kinds are clients of one server: one that honours deadlines, one as it is made by default, and one of somebody else.
func kinds(t testing.TB, options redis.Options) map[string]redis.Cmdable {
	options.ContextTimeoutEnabled = true
	honours := newClient(t, options)
	options.ContextTimeoutEnabled = false
	pipeliner, err := newClient(t, options).AutoPipeline()
	require.NoError(t, err)
	return map[string]redis.Cmdable{
		"honours deadlines": honours, "default": newClient(t, options), "pipeliner": pipeliner,
		"wrapper": struct{ *redis.Client }{newClient(t, options)},
	}
}

func eachKind(t *testing.T, options redis.Options, test func(t *testing.T, l *Line)) {
	for name, client := range kinds(t, options) {
		t.Run(name, func(t *testing.T) { test(t, Of(client)) })
	}
}

func TestAClientHasOneLine(t *testing.T) {
	one, other := newClient(t, redis.Options{}), newClient(t, redis.Options{})
	assert.Same(t, Of(one), Of(one))
	assert.NotSame(t, Of(one), Of(other))
	type wrapper struct{ *redis.Client }
	wrapped := &wrapper{one}
	assert.Same(t, Of(wrapped), Of(wrapped))
	assert.NotSame(t, Of(one), Of(wrapped))
}

func TestLinesAndClientsAreCollected(t *testing.T) {
	const many = 500
	var collected atomic.Int64
	for range many {
		client := redis.NewClient(&redis.Options{})
		runtime.AddCleanup(client, func(*atomic.Int64) { collected.Add(1) }, &collected)
		Of(client)
		_ = client.Close()
	}
	require.Eventually(t, func() bool { runtime.GC(); return collected.Load() > many*9/10 }, patient, 10*time.Millisecond)
}

func TestWhatComesAtOnceGoesTogether(t *testing.T) {
	server := redistest.Start(t)
	client := newClient(t, redis.Options{Addr: server.Addr(), PoolSize: 4})
	var batches atomic.Int64
	client.AddHook(counter{&batches})
	l := Of(client)
	require.NoError(t, do(l, set("first"), patient))
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			c := set(fmt.Sprint(i))
			if !assert.NoError(t, do(l, c, patient)) {
				return
			}
			v, err := c.Commands[0].Reply()
			assert.NoError(t, err)
			assert.Equal(t, "OK", v)
		})
	}
	all.Wait()
	assert.EqualValues(t, 1001, server.Calls("set"))
	assert.Less(t, batches.Load(), int64(500))
}

type counter struct{ batches *atomic.Int64 }

func (counter) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.batches.Add(1); return next(ctx, cmd) }
}
func (c counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { c.batches.Add(1); return next(ctx, cmds) }
}

func TestADistantRedisIsUsed(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "secret")
	proxy := redistest.NewProxy(t, server.Addr())
	proxy.Delay(80 * time.Millisecond)
	for name, client := range kinds(t, redis.Options{Addr: proxy.Addr(), Password: "secret"}) {
		t.Run(name, func(t *testing.T) {
			l := Of(client)
			answered := 0
			for i := range 40 {
				start := time.Now()
				if do(l, set(fmt.Sprint(name, i)), timeout) == nil {
					answered++
				}
				assert.Less(t, time.Since(start), timeout+margin)
				time.Sleep(time.Until(start.Add(timeout)))
			}
			t.Log(answered, "of 40")
			assert.Greater(t, answered, 20, "once it is connected")
			assert.Empty(t, l.News())
		})
	}
}

func TestAQuietServiceSoonWaitsNoLonger(t *testing.T) {
	for name, away := range map[string]func(*redistest.Proxy){
		"refused": (*redistest.Proxy).Refuse, "silent": (*redistest.Proxy).BlackHole,
	} {
		server := redistest.Start(t)
		proxy := redistest.NewProxy(t, server.Addr())
		eachKind(t, redis.Options{Addr: proxy.Addr()}, func(t *testing.T, l *Line) {
			proxy.Pass()
			require.NoError(t, do(l, set(t.Name()), patient))
			require.NoError(t, do(l, set(t.Name()+"again"), patient))
			away(proxy)
			var waits int
			for range 8 {
				start := time.Now()
				require.Error(t, do(l, set(t.Name()), timeout))
				if time.Since(start) > timeout/2 {
					waits++
				}
				time.Sleep(150 * time.Millisecond)
			}
			assert.LessOrEqual(t, waits, 4, name)
			news := l.News()
			require.Len(t, news, 1)
			assert.True(t, news[0].Gone)
			if name == "refused" {
				assert.ErrorContains(t, news[0].Err, "connection refused")
			}
			assert.Contains(t, news[0].Node, "127.0.0.1")
			assert.Empty(t, l.News(), "told once")
			proxy.Pass()
			require.Eventually(t, func() bool { return do(l, set(t.Name()), timeout) == nil }, 15*time.Second, 50*time.Millisecond)
			require.Eventually(t, func() bool {
				_ = do(l, set(t.Name()), timeout)
				news = l.News()
				return len(news) > 0
			}, patient, 50*time.Millisecond)
			assert.False(t, news[0].Gone)
		})
	}
}

func TestSlowConnectingHoldsNobodyUp(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "secret")
	slow := func() { time.Sleep(3 * time.Second) }
	for name, options := range map[string]redis.Options{
		"OnConnect":           {Password: "secret", OnConnect: func(context.Context, *redis.Conn) error { slow(); return nil }},
		"CredentialsProvider": {CredentialsProvider: func() (string, string) { slow(); return "", "secret" }},
	} {
		options.Addr = server.Addr()
		eachKind(t, options, func(t *testing.T, l *Line) {
			var answered bool
			for begin := time.Now(); !answered && time.Since(begin) < 20*time.Second; time.Sleep(200 * time.Millisecond) {
				start := time.Now()
				answered = do(l, set(name+t.Name()), timeout) == nil
				require.Less(t, time.Since(start), time.Second)
			}
			assert.True(t, answered)
		})
	}
}

// TestNobodyConnectsOnARequest holds for each kind of client that a request leads no command which may run somebody's code.
func TestNobodyConnectsOnARequest(t *testing.T) {
	hook := func(context.Context, *redis.Conn) error { return nil }
	plain := func() (string, string) { return "", "" }
	inContext := func(context.Context) (string, string, error) { return "", "", nil }
	for name, test := range map[string]struct {
		client redis.UniversalClient
		leads  bool
	}{
		"single":                     {redis.NewClient(&redis.Options{ContextTimeoutEnabled: true}), true},
		"single, ignores deadlines":  {redis.NewClient(&redis.Options{}), false},
		"single, OnConnect":          {redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, OnConnect: hook}), false},
		"single, credentials":        {redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, CredentialsProvider: plain}), false},
		"single, credentials in ctx": {redis.NewClient(&redis.Options{ContextTimeoutEnabled: true, CredentialsProviderContext: inContext}), false},
		"cluster":                    {redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true}), true},
		"cluster, credentials":       {redis.NewClusterClient(&redis.ClusterOptions{ContextTimeoutEnabled: true, CredentialsProvider: plain}), false},
		"ring":                       {redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true}), true},
		"ring, OnConnect":            {redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true, OnConnect: hook}), false},
		"ring, credentials":          {redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true, CredentialsProvider: plain}), false},
		"ring, credentials in ctx":   {redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true, CredentialsProviderContext: inContext}), false},
	} {
		t.Cleanup(func() { _ = test.client.Close() })
		assert.Equal(t, test.leads, Of(test.client).leads, name)
	}
}

// TestASwallowedReplyIsNone holds that a hook which answers nothing refuses nobody.
func TestASwallowedReplyIsNone(t *testing.T) {
	_, err := NewCommand("set", "key", 1).Reply()
	assert.ErrorIs(t, err, errNoReply)
	refused := NewCommand("set", "key", 1)
	refused.SetErr(redis.Nil)
	value, err := refused.Reply()
	assert.NoError(t, err)
	assert.Nil(t, value)
}

func TestFewConnectionsLoseNobody(t *testing.T) {
	server := redistest.Start(t)
	eachKind(t, redis.Options{Addr: server.Addr(), PoolSize: 20, MaxActiveConns: 4}, func(t *testing.T, l *Line) {
		if l.own == nil {
			t.Skip("somebody else's client has its own way with its connections")
		}
		var all sync.WaitGroup
		for i := range 400 {
			all.Go(func() { assert.NoError(t, do(l, set(fmt.Sprint(t.Name(), i)), patient)) })
		}
		all.Wait()
	})
}

func TestABrokenConnectionIsNoLoss(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	eachKind(t, redis.Options{Addr: proxy.Addr()}, func(t *testing.T, l *Line) {
		require.NoError(t, do(l, set(t.Name()), patient))
		for i := range 5 {
			proxy.CutAll()
			require.NoError(t, do(l, set(fmt.Sprint(t.Name(), i)), patient))
		}
		assert.Zero(t, l.Node("x").Unsure())
		assert.Empty(t, l.News())
	})
}

func TestAServerThatWasRestartedHasLostItsMarks(t *testing.T) {
	server := redistest.Start(t)
	eachKind(t, redis.Options{Addr: server.Addr()}, func(t *testing.T, l *Line) {
		require.NoError(t, do(l, set(t.Name()), patient))
		server.Kill()
		server.Restart()
		require.NoError(t, do(l, set(t.Name()+"2"), patient))
		assert.NotZero(t, l.Node("x").Unsure())
	})
}

func TestAServerThatDoesNotSayWhoItIsMayHaveLostThem(t *testing.T) {
	server := redistest.Start(t)
	require.NoError(t, server.Client().Do(t.Context(), "acl", "setuser", "default", "-info").Err())
	proxy := redistest.NewProxy(t, server.Addr())
	l := Of(newClient(t, redis.Options{Addr: proxy.Addr()}))
	require.NoError(t, do(l, set("a"), patient))
	assert.Zero(t, l.Node("x").Unsure())
	proxy.CutAll()
	require.NoError(t, do(l, set("b"), patient))
	assert.NotZero(t, l.Node("x").Unsure())
}

func TestAnsweredIsAnsweredWhereAPipelineIsCutInTheMiddle(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, server.Addr())
	l := Of(newClient(t, redis.Options{Addr: proxy.Addr(), PoolSize: 3}))
	require.NoError(t, do(l, set("warm"), patient))
	for round := range 20 {
		proxy.ResetMidReply()
		var all sync.WaitGroup
		calls := make([]*Call, 100)
		var failed atomic.Int64
		for i := range calls {
			calls[i] = &Call{Key: fmt.Sprint(round, "-", i), Commands: []*Command{NewCommand("incr", fmt.Sprint(round, "-", i))}}
			all.Go(func() {
				if err := do(l, calls[i], patient); err != nil {
					failed.Add(1)
					return
				}
				v, err := calls[i].Commands[0].Reply()
				assert.NoError(t, err)
				if calls[i].Repeated {
					assert.LessOrEqual(t, v, int64(2))
				} else {
					assert.EqualValues(t, 1, v)
				}
			})
		}
		all.Wait()
		proxy.Pass()
		for _, key := range calls {
			n, _ := server.Client().Get(t.Context(), key.Key).Int()
			assert.LessOrEqual(t, n, 2, "sent twice at most")
		}
		if failed.Load() > 0 {
			t.Log(failed.Load(), "failed")
		}
		require.Eventually(t, func() bool { return do(l, set("back"), patient) == nil }, patient, 10*time.Millisecond)
	}
}

func TestOneFullScriptTeachesANode(t *testing.T) {
	server := redistest.Start(t)
	l := Of(newClient(t, redis.Options{Addr: server.Addr(), PoolSize: 2}))
	require.NoError(t, do(l, set("warm"), patient))
	script := NewScript("return redis.call('INCR', KEYS[1])")
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			c := &Call{Key: "n", Commands: []*Command{script.Command("n")}}
			assert.NoError(t, do(l, c, patient))
			_, err := c.Commands[0].Reply()
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, "200", server.Client().Get(t.Context(), "n").Val())
	assert.LessOrEqual(t, server.Calls("eval"), int64(4), "at most one for each round trip that was under way")
}

func TestFewCallsOfOneKeyGoTogether(t *testing.T) {
	var queued []*Call
	for i := range 40 {
		queued = append(queued, &Call{Key: fmt.Sprint(i % 2), Few: true})
	}
	queued = append(queued, set("other"))
	calls, rest := pick(queued, mostCalls, 1)
	assert.Len(t, calls, 2*mostOfAKey+1)
	assert.Len(t, rest, 40-2*mostOfAKey)
	assert.Equal(t, queued[0], calls[0], "in order")
	calls, rest = pick(queued, 3, 1)
	assert.Equal(t, queued[:3], calls)
	assert.Equal(t, queued[3:], rest)
}

func TestWhoLeavesTakesAQueuedCommandAlong(t *testing.T) {
	server := redistest.Start(t)
	l := Of(newClient(t, redis.Options{Addr: server.Addr(), PoolSize: 3}))
	require.NoError(t, do(l, set("warm"), patient))
	server.Pause()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() { assert.Error(t, do(l, set(fmt.Sprint("late", i)), timeout)) })
	}
	all.Wait()
	server.Resume()
	require.Eventually(t, func() bool { return do(l, set("after"), patient) == nil }, patient, 10*time.Millisecond)
	assert.Less(t, server.Calls("set"), int64(20), "those that were under way, the probes, and two")
}

func TestWhatBecameOfACallThatWasLeft(t *testing.T) {
	server := redistest.Start(t)
	eachKind(t, redis.Options{Addr: server.Addr()}, func(t *testing.T, l *Line) {
		require.NoError(t, do(l, set(t.Name()), patient))
		require.NoError(t, do(l, set(t.Name()+"1"), patient))
		fates := make(chan Fate, 10)
		server.Pause()
		c := set(t.Name() + "2")
		require.Error(t, do(l, c, timeout))
		c.Afterwards(func(f Fate) { fates <- f })
		server.Resume()
		var fate Fate
		require.Eventually(t, func() bool {
			_ = do(l, set(t.Name()+"3"), timeout)
			select {
			case fate = <-fates:
				return true
			default:
				return false
			}
		}, patient, 10*time.Millisecond)
		assert.NotEqual(t, Unsent, fate)
	})
}

func TestAfterTheTimeNothingIsSent(t *testing.T) {
	l := Of(newClient(t, redis.Options{}))
	c := set("x")
	require.ErrorIs(t, do(l, c, 0), errNoTime)
	var fate Fate
	c.Afterwards(func(f Fate) { fate = f })
	assert.Equal(t, Unsent, fate)
}

func TestAPanicInAHookEndsNothing(t *testing.T) {
	server := redistest.Start(t)
	eachKind(t, redis.Options{Addr: server.Addr()}, func(t *testing.T, l *Line) {
		require.NoError(t, do(l, set(t.Name()), patient))
		hooks, can := l.client.(interface{ AddHook(redis.Hook) })
		require.True(t, can)
		panics := &panicking{}
		hooks.AddHook(panics)
		for i := range 2 {
			panics.on.Store(true)
			assert.Error(t, do(l, set(fmt.Sprint(t.Name(), i)), patient))
			panics.on.Store(false)
			assert.NoError(t, do(l, set(fmt.Sprint(t.Name(), i, "after")), patient))
		}
	})
}

type panicking struct{ on atomic.Bool }

func (p *panicking) DialHook(next redis.DialHook) redis.DialHook { return next }
func (p *panicking) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if p.on.Load() {
			panic("hook")
		}
		return next(ctx, cmd)
	}
}
func (p *panicking) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if p.on.Load() {
			panic("hook")
		}
		return next(ctx, cmds)
	}
}

func TestErrorsOfAClosedClient(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: redistest.Start(t).Addr()})
	l := Of(client)
	require.NoError(t, do(l, set("a"), patient))
	_ = client.Close()
	assert.ErrorIs(t, do(l, set("b"), patient), redis.ErrClosed)
}

func TestIsBroken(t *testing.T) {
	assert.True(t, isBroken(&net.OpError{Op: "read", Err: errors.New("reset")}))
	assert.False(t, isBroken(&net.OpError{Op: "dial", Err: errors.New("refused")}))
	assert.False(t, isBroken(context.DeadlineExceeded))
	assert.False(t, isBroken(nil))
}
