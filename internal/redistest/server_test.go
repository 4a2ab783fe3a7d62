package redistest

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

func TestServerAnswersAndCounts(t *testing.T) {
	CheckGoroutines(t)
	s := Start(t)
	client := s.Client()
	require.NoError(t, client.Set(ctx, "k", "v", 0).Err())
	require.NoError(t, client.Get(ctx, "k").Err())
	require.NoError(t, client.Get(ctx, "k").Err())
	require.EqualValues(t, 2, s.Calls("get"))
	require.EqualValues(t, 3, s.Calls("get", "set"))

	require.NoError(t, client.ConfigGet(ctx, "port").Err())
	require.EqualValues(t, 1, s.Calls("config|get"))

	s.ResetStats()
	require.Zero(t, s.Calls("get", "set"))
}

func TestServerWithPasswordCountsAsUp(t *testing.T) {
	s := Start(t, "--requirepass", "secret")
	require.NoError(t, s.Client().Ping(ctx).Err())

	stranger := redis.NewClient(&redis.Options{Addr: s.Addr()})
	defer stranger.Close()
	require.ErrorContains(t, stranger.Get(ctx, "k").Err(), "NOAUTH")
}

func TestPausedServerIsSilentUntilResumed(t *testing.T) {
	s := Start(t)
	client := s.Client()
	require.NoError(t, client.Ping(ctx).Err())

	s.Pause()
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	require.True(t, os.IsTimeout(client.Ping(short).Err()))

	s.Resume()
	waitUntil(t, "the server answers again", func() bool {
		return client.Ping(ctx).Err() == nil
	})
}

func TestKilledServerRefusesUntilRestartedEmpty(t *testing.T) {
	s := Start(t)
	client := s.Client()
	require.NoError(t, client.Set(ctx, "k", "v", 0).Err())
	addr := s.Addr()

	s.Kill()
	s.Kill() // does nothing
	_, err := net.Dial("tcp", addr)
	require.Error(t, err)

	s.Restart()
	require.Equal(t, addr, s.Addr())
	require.ErrorIs(t, client.Get(ctx, "k").Err(), redis.Nil)

	s.Restart() // also of a running server
	require.NoError(t, client.Ping(ctx).Err())
}

func TestServerTakesAnotherPortWhenItsPortIsTaken(t *testing.T) {
	first := Start(t)
	second := &Server{tb: t, dir: t.TempDir(), port: first.port}
	require.NoError(t, os.WriteFile(second.configFile(), nil, 0o600))
	t.Cleanup(second.Kill)
	require.False(t, second.launch())
}

func TestBlackHoleListenerLetsConnectHang(t *testing.T) {
	CheckGoroutines(t)
	addr := BlackHoleListener(t)
	for range 2 {
		_, err := net.DialTimeout("tcp", addr, 1500*time.Millisecond)
		require.True(t, os.IsTimeout(err), "got %v", err)
	}
}
