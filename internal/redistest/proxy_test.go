package redistest

import (
	"bufio"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// silence is how long a test waits before it believes that nothing comes.
const silence = 200 * time.Millisecond

// wire is a client that shows every byte, which go-redis would not.
type wire struct {
	net.Conn
	t       *testing.T
	replies *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &wire{Conn: conn, t: t, replies: bufio.NewReader(conn)}
}

func (w *wire) send(command string) {
	w.t.Helper()
	_, err := w.Write([]byte(command + "\r\n"))
	require.NoError(w.t, err)
}

// line returns the next line of a reply.
func (w *wire) line() (string, error) {
	_ = w.SetReadDeadline(time.Now().Add(patience))
	text, err := w.replies.ReadString('\n')
	return strings.TrimSpace(text), err
}

func (w *wire) wantLine(want string) {
	w.t.Helper()
	got, err := w.line()
	require.NoError(w.t, err)
	require.Equal(w.t, want, got)
}

func (w *wire) wantSilence() {
	w.t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(silence))
	_, err := w.replies.ReadByte()
	var netErr net.Error
	require.ErrorAs(w.t, err, &netErr)
	require.True(w.t, netErr.Timeout(), "the connection was closed: %v", err)
}

// wantClosed also checks that the end is not just a time-out.
func (w *wire) wantClosed() {
	w.t.Helper()
	_, err := w.line()
	require.Error(w.t, err)
	if netErr, ok := err.(net.Error); ok {
		require.False(w.t, netErr.Timeout(), "the connection is still open")
	}
}

// setUp returns a connected client whose first command passed.
func setUp(t *testing.T) (*Server, *Proxy, *wire) {
	t.Helper()
	CheckGoroutines(t)
	s := Start(t)
	p := NewProxy(t, s.Addr())
	w := dial(t, p)
	w.send("PING")
	w.wantLine("+PONG")
	return s, p, w
}

func wantCounter(t *testing.T, s *Server, want string) {
	t.Helper()
	waitUntil(t, "the counter is "+want, func() bool {
		return s.admin.Get(ctx, "n").Val() == want
	})
}

func TestProxyPassesAndCounts(t *testing.T) {
	_, p, w := setUp(t)
	other := dial(t, p)
	other.send("PING")
	other.wantLine("+PONG")
	require.Equal(t, 2, p.Connections())

	_ = other.Close()
	waitUntil(t, "the closed connection is gone", func() bool { return p.Connections() == 1 })

	p.CutAll()
	w.wantClosed()
	again := dial(t, p)
	again.send("PING")
	again.wantLine("+PONG")
}

func TestProxyClosesWithTheServer(t *testing.T) {
	s, _, w := setUp(t)
	s.Kill()
	w.wantClosed()
}

func TestDelay(t *testing.T) {
	_, p, w := setUp(t)
	p.Delay(2 * silence)
	w.send("PING")
	w.wantSilence()
	w.wantLine("+PONG")
}

func TestBlackHole(t *testing.T) {
	s, p, w := setUp(t)
	p.BlackHole()
	w.send("INCR n")
	w.wantSilence()
	fresh := dial(t, p)
	fresh.send("INCR n")
	fresh.wantSilence()
	s.Kill() // nobody hears of that either
	w.wantSilence()
	s.Restart()

	p.Pass()
	w.wantClosed()
	fresh.wantClosed()
	after := dial(t, p)
	after.send("INCR n")
	after.wantLine(":1")
}

func TestCutReplies(t *testing.T) {
	s, p, w := setUp(t)
	p.CutReplies()
	w.send("INCR n")
	w.wantClosed()
	wantCounter(t, s, "1")
}

func TestCutNextReply(t *testing.T) {
	_, p, w := setUp(t)
	p.CutNextReply()
	w.send("INCR n")
	w.wantClosed()
	retry := dial(t, p)
	retry.send("INCR n")
	retry.wantLine(":2")
}

func TestDropReplies(t *testing.T) {
	s, p, w := setUp(t)
	idle := dial(t, p)
	p.DropReplies()
	w.send("INCR n")
	w.wantSilence()
	wantCounter(t, s, "1")

	p.Pass()
	w.wantClosed()
	idle.send("INCR n") // lost nothing, so it stays
	idle.wantLine(":2")
}

func TestResetMidReply(t *testing.T) {
	_, p, w := setUp(t)
	p.ResetMidReply()
	w.send("ECHO 0123456789")
	_ = w.SetReadDeadline(time.Now().Add(patience))
	got, err := io.ReadAll(w.replies)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Equal(t, "$10\r\n0123", string(got))
}

func TestRefuse(t *testing.T) {
	_, p, w := setUp(t)
	p.Refuse()
	w.wantClosed()
	_, err := net.Dial("tcp", p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	p.Refuse() // does nothing

	p.Pass()
	after := dial(t, p)
	after.send("PING")
	after.wantLine("+PONG")
}

func TestGarble(t *testing.T) {
	s, p, w := setUp(t)
	p.Garble()
	w.send("INCR n")
	w.wantLine("$nonsense")
	wantCounter(t, s, "1")
	p.Pass()
	w.wantClosed()
}

func TestAnswerNeedsNoServer(t *testing.T) {
	CheckGoroutines(t)
	p := NewProxy(t, loopback(freePort(t))) // nobody is there
	p.Answer("-LOADING not yet\r\n")
	w := dial(t, p)
	w.send("PING")
	w.wantLine("-LOADING not yet")
	p.Pass()
	w.wantClosed()
}

func TestProxyClosesWhenItCannotReachTheServer(t *testing.T) {
	p := NewProxy(t, loopback(freePort(t))) // nobody is there
	w := dial(t, p)
	w.send("PING")
	w.wantClosed()
}
