package ginlimit

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/ginlimit/ginlimit/internal/marks"
)

// warnings says what silently defeats a limiter, each once per limiter, and tells of outages.
type warnings struct {
	logger  *slog.Logger // nil: slog.Default() at the time
	policy  string
	failure Failure
	said    [12]atomic.Bool // by code
}

// Said says that a warning needn't be looked for any more.
func (w *warnings) Said(code int) bool { return w.said[code].Load() }

func (w *warnings) once(code int, sentence string, attrs ...slog.Attr) {
	if !w.said[code].Load() && !w.said[code].Swap(true) {
		w.log(code, slog.LevelWarn, sentence, attrs...)
	}
}

func (w *warnings) log(code int, level slog.Level, sentence string, attrs ...slog.Attr) {
	logger := w.logger
	if logger == nil {
		logger = slog.Default()
	}
	attrs = append([]slog.Attr{slog.String("code", fmt.Sprintf("GL%d", code)), slog.String("policy", w.policy)}, attrs...)
	logger.LogAttrs(context.Background(), level, "ginlimit: "+sentence, attrs...)
}

func (w *warnings) TrustsEveryone() {
	w.once(1, "the engine trusts every proxy, so anyone can forge X-Forwarded-For and never be limited; call"+
		" engine.SetTrustedProxies with your proxies' addresses, or with nil where there is none or a Unix socket")
}

func (w *warnings) Unknown() {
	w.once(2, "the client's address is unknown, so such requests share one mark; on a Unix socket let the proxy send"+
		" X-Forwarded-For, or say who the client is through WithIdentity")
}

func (w *warnings) mountedTwice(key string) {
	w.once(3, "a request met the same marks twice and they were taken once; mount the limiter on the group or on the"+
		" route, or tell two limiters apart through WithPrefix", slog.String("key", key))
}

func (w *warnings) Untrusted(peer netip.Addr) {
	w.once(4, "a forwarding header came from a peer that is not a trusted proxy, so everyone behind it shares one mark;"+
		" call engine.SetTrustedProxies with its address, and check engine.RemoteIPHeaders",
		slog.String("peer", peer.String()))
}

// outage tells what the line to Redis has met: one outage of a client is one GL5 and one GL6, by the limiter that met it.
func (w *warnings) outage(gone bool, node string, err error) {
	if !gone {
		w.log(6, slog.LevelInfo, "Redis answers again")
		return
	}
	meanwhile := map[Failure]string{
		FailLocal:  "this process's own marks decide",
		FailOpen:   "requests are let through",
		FailClosed: "requests are answered 503",
	}[w.failure]
	w.log(5, slog.LevelError, "Redis stopped answering; until it is back "+meanwhile,
		slog.Any("error", err), slog.String("node", node))
}

func (w *warnings) crowded(capacity int) {
	w.once(7, "the capacity is reached, so marks in this process are given up early; raise WithCapacity",
		slog.Int("capacity", capacity))
}

func (w *warnings) Unreadable(header, proxy string) {
	w.once(9, "a trusted proxy named a client in a way that Gin can't read, so everyone behind it shares one mark; let it"+
		" send a bare address in a header that engine.RemoteIPHeaders names, or set engine.TrustedPlatform",
		slog.String("header", header), slog.String("peer", proxy))
}

func (w *warnings) Disagreement(header, named string, counted netip.Addr) {
	w.once(10, "two of the engine's RemoteIPHeaders name different clients in one request, so a client can send one of them"+
		" and never be limited; name only the one that your proxy sets in engine.RemoteIPHeaders",
		slog.String("header", header), slog.String("named", named), slog.String("counted", counted.String()))
}

func (w *warnings) scriptsRefused(err error) {
	w.once(11, "Redis refuses scripts, which refunds and every limit but 1 need, so the failure mode decides for them; allow"+
		" EVALSHA and EVAL to the client's user", slog.Any("error", err))
}

// warn says in the log what the marks have met.
func (l *Limiter) warn(v marks.Verdict) {
	for _, news := range l.marks.News() {
		l.warnings.outage(news.Gone, news.Node, news.Err)
	}
	if v.Crowded {
		l.warnings.crowded(l.capacity)
	}
	if marks.AreScriptsRefused(v.Err) {
		l.warnings.scriptsRefused(v.Err)
	}
}
