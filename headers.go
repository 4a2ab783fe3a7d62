package ginlimit

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// delays keeps the values of Retry-After that were sent last, so that a denied request needn't make its own. Nobody
// writes to a header's values in place.
type delays [64]atomic.Pointer[delay]

type delay struct {
	seconds int64
	values  []string
}

// writeRetryAfter writes Retry-After as delay-seconds (RFC 9110 §10.2.3): whole, never too short, at least 1.
func (d *delays) writeRetryAfter(c *gin.Context, wait time.Duration) {
	whole := max(seconds(wait), 1)
	place := &d[whole%int64(len(d))]
	last := place.Load()
	if last == nil || last.seconds != whole {
		last = &delay{whole, []string{strconv.FormatInt(whole, 10)}}
		place.Store(last)
	}
	c.Writer.Header()["Retry-After"] = last.values
}

// writeRateLimit adds this limiter's items to the fields of draft-ietf-httpapi-ratelimit-headers-10: q is the quota, w
// the window in seconds, r what remains, t the seconds until there is more.
func writeRateLimit(c *gin.Context, d Decision) {
	if d.Outcome == Unavailable {
		return
	}
	name := `"` + d.Policy + `"`
	header := c.Writer.Header()
	header.Add("RateLimit-Policy",
		name+";q="+integer(int64(d.Limit))+";w="+integer(seconds(d.Interval)))
	item := name + ";r=" + integer(int64(d.Remaining))
	if d.Remaining == 0 {
		item += ";t=" + integer(max(seconds(d.RetryAfter), 1))
	}
	header.Add("RateLimit", item)
}

// integer writes a number in the digits that a structured field may have (RFC 9651 §3.3.1).
func integer(n int64) string { return strconv.FormatInt(min(n, 999_999_999_999_999), 10) }

// seconds rounds up.
func seconds(d time.Duration) int64 {
	whole := int64(d / time.Second)
	if d%time.Second > 0 {
		whole++
	}
	return whole
}
