package marks

import (
	"errors"
	"strings"
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
)

var errReply = errors.New("ginlimit: Redis sent a reply of an unexpected shape")

// scripted reads the reply of a script: {1 for allowed or 0 for denied, marks remaining, milliseconds until this cost could
// pass, where it is denied or none remain}, and what is behind.
func scripted(m *Mark, reply any, err error, interval time.Duration) (Verdict, []any) {
	if err != nil {
		return Verdict{Err: err}, nil
	}
	values, _ := reply.([]any)
	if len(values) < 3 {
		return Verdict{Err: errReply}, nil
	}
	allowed, is0 := values[0].(int64)
	remaining, is1 := values[1].(int64)
	ms, is2 := values[2].(int64)
	if !is0 || !is1 || !is2 || allowed < 0 || allowed > 1 || remaining < 0 || remaining > m.Limit ||
		ms < 0 || ms > interval.Milliseconds()+1 || (ms == 0) != (allowed == 1 && remaining > 0) {
		return Verdict{Err: errReply}, nil
	}
	v := Verdict{Answer: Refused, Source: Redis, Remaining: remaining}
	if ms > 0 {
		v.Lasts = time.Duration(ms-1) * time.Millisecond
		v.Wait = aMillisecondAfter(v.Lasts)
	}
	if allowed == 1 {
		v.Answer, v.Held = Granted, true
	}
	return v, values[3:]
}

// aMillisecondAfter is when a key or a mark is gone of which Redis says that it lives for so long: the last millisecond is its own.
func aMillisecondAfter(d time.Duration) time.Duration {
	return time.Duration(clock.After(int64(d), time.Millisecond))
}

// scriptsRefused says that Redis won't run scripts, or not what is in them: in the words of Redis 6.2 and newer.
func scriptsRefused(err error) bool {
	text := strings.ReplaceAll(strings.ToLower(err.Error()), "`", "'")
	for _, words := range []string{
		"permissions to run the 'eval", "unknown command 'eval", "can't run this command", "unknown redis command called from",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return strings.Contains(text, "acl failure in script") && strings.Contains(text, "permissions to run the '")
}

// isWrongType says that what is under a key is nobody's mark.
func isWrongType(err error) bool { return strings.HasPrefix(err.Error(), "WRONGTYPE") }
