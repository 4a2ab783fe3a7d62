package ginlimit

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

// warnings says what silently defeats a limiter, each once per limiter, and tells of outages.
type warnings struct {
	logger *slog.Logger // nil: slog.Default() at the time
	policy string
	said   [9]atomic.Bool // by code
	probed atomic.Bool    // GL1 has been looked for
}

func (w *warnings) once(code int, sentence string, attrs ...slog.Attr) {
	if !w.said[code].Swap(true) {
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

// inspect looks at where a client's address came from.
func (w *warnings) inspect(c *gin.Context, address netip.Addr) {
	if !address.IsValid() {
		w.once(2, "the client's address is unknown, so such requests share one mark; on a Unix socket let the proxy send"+
			" X-Forwarded-For, or say who the client is through WithIdentity")
		return
	}
	if !w.probed.Load() {
		w.probe(c)
	}
	if (address.IsPrivate() || address.IsLoopback()) && isForwarded(c) && !w.said[4].Load() {
		w.inspectProxy(c, address)
	}
}

// probe looks for GL1 once there is a peer: not on a Unix socket, which Gin trusts whatever the engine's settings.
func (w *warnings) probe(c *gin.Context) {
	if parseAddress(c.Request.RemoteAddr).IsValid() && !w.probed.Swap(true) &&
		(trusts(c, "192.0.2.1") || trusts(c, "2001:db8::1")) {
		w.once(1, "the engine trusts every proxy, so anyone can forge X-Forwarded-For and never be limited; call"+
			" engine.SetTrustedProxies with your proxies' addresses, or with nil where there is none")
	}
}

func (w *warnings) inspectProxy(c *gin.Context, address netip.Addr) {
	peer := parseAddress(c.Request.RemoteAddr)
	if address == peer && !trusts(c, peer.String()) {
		w.once(4, "a forwarding header came from a peer that is not a trusted proxy, so everyone behind it shares one mark;"+
			" call engine.SetTrustedProxies with its address, and check engine.RemoteIPHeaders",
			slog.String("peer", peer.String()))
	}
}

// trusts asks Gin whether it would believe a peer's X-Forwarded-For, by a made-up request.
func trusts(c *gin.Context, peer string) bool {
	const forged = "198.51.100.77"
	header := c.Request.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("X-Forwarded-For", forged)
	header.Set("X-Real-IP", forged)
	madeUp := (&http.Request{Header: header, RemoteAddr: net.JoinHostPort(peer, "1")}).WithContext(c.Request.Context())
	asked := c.Copy()
	asked.Request = madeUp
	return asked.ClientIP() == forged
}

func isForwarded(c *gin.Context) bool {
	header := c.Request.Header
	return header["X-Forwarded-For"] != nil || header["X-Real-Ip"] != nil || header["Forwarded"] != nil
}

func (w *warnings) mountedTwice(key string) {
	w.once(3, "a request met the same marks twice and they were taken once; mount the limiter on the group or on the"+
		" route, or tell two limiters apart through WithPrefix", slog.String("key", key))
}

func (w *warnings) redisGone(err error) {
	w.log(5, slog.LevelError, "Redis stopped answering, so the failure mode decides until it is back", slog.Any("error", err))
}

func (w *warnings) redisBack() {
	w.log(6, slog.LevelInfo, "Redis answers again")
}

func (w *warnings) crowded(capacity uint32) {
	w.once(7, "the capacity is reached, so marks in this process are given up early; raise WithCapacity",
		slog.Int("capacity", int(capacity)))
}

func (w *warnings) slowClient(client redis.Cmdable) {
	w.once(8, "the Redis client ignores deadlines, so every command runs beside its request, which is slower; set"+
		" ContextTimeoutEnabled in the client's options", slog.String("client", strings.TrimPrefix(fmt.Sprintf("%T", client), "*")))
}
