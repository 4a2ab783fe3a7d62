package marks

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/line"
)

// scriptedDoer answers each call as a test says: a reply for each of its commands.
type scriptedDoer struct {
	replies [][]any // an error among them is Redis's reply; as the only one, of type notComing, the call's
	calls   []string
	posted  []string
	repeat  bool // the first call was sent twice
}

type notComing struct{ error }

func (d *scriptedDoer) Do(_ context.Context, call *line.Call, _ time.Duration, _ bool) error {
	d.calls = append(d.calls, spelled(call))
	if len(d.replies) == 0 {
		return errors.New("asked too often")
	}
	replies := d.replies[0]
	d.replies = d.replies[1:]
	if lost, is := replies[0].(notComing); is {
		return lost
	}
	for i, reply := range replies {
		switch value := reply.(type) {
		case nil:
			call.Commands[i].SetErr(redis.Nil)
		case error:
			call.Commands[i].SetErr(value)
		default:
			call.Commands[i].SetVal(value)
		}
	}
	call.Repeated, d.repeat = d.repeat, false
	return nil
}

func (d *scriptedDoer) Post(call *line.Call) { d.posted = append(d.posted, spelled(call)) }

// spelled are the names of a call's commands.
func spelled(call *line.Call) string {
	var names []string
	for _, command := range call.Commands {
		names = append(names, command.Name())
	}
	return strings.Join(names, " ")
}

func TestSingleSpec(t *testing.T) {
	const (
		interval = 10 * time.Second
		ms       = time.Millisecond
		look     = "set getex pttl"
	)
	lost := notComing{errors.New("nothing came")}
	denied := errors.New("NOPERM this user has no permissions to run the 'getex' command")
	full := errors.New("OOM command not allowed when used memory > 'maxmemory'.")
	refusedFor := func(lasts time.Duration) Verdict {
		return Verdict{Answer: Refused, Lasts: lasts, Wait: lasts + ms}
	}
	mended := func(v Verdict) Verdict {
		v.endless = true
		return v
	}
	granted := Verdict{Answer: Granted, Held: true, Wait: interval, Lasts: interval}
	held := func(lasts time.Duration) Verdict {
		return Verdict{Answer: Granted, Held: true, Lasts: lasts, Wait: lasts + ms}
	}
	unknown := refused(interval, Redis)
	token := int64(77)
	own, other := strconv.FormatInt(token, 10), "5"
	full1 := Terms{Wait: patient, Full: 1}
	for name, row := range map[string]struct {
		terms   Terms
		repeat  bool
		replies [][]any
		want    Verdict
		calls   string
		posts   bool
	}{
		"granted":            {replies: [][]any{{"OK"}}, want: granted, calls: "set"},
		"granted, repeated":  {repeat: true, replies: [][]any{{"OK"}}, want: granted, calls: "set"},
		"an error decides":   {replies: [][]any{{full}}, want: Verdict{Err: full}, calls: "set"},
		"nothing came":       {replies: [][]any{{lost}}, want: Verdict{Err: lost}, calls: "set"},
		"a reply of no kind": {replies: [][]any{{int64(1)}}, want: Verdict{Err: errReply}, calls: "set"},
		"another's": {replies: [][]any{{nil}, {nil, other, int64(400)}},
			want: refusedFor(400 * ms), calls: "set, " + look},
		"in its last millisecond": {replies: [][]any{{nil}, {nil, other, int64(0)}}, want: refusedFor(0), calls: "set, " + look},
		"the whole interval": {replies: [][]any{{nil}, {nil, other, int64(10_000)}},
			want: refusedFor(interval), calls: "set, " + look},
		"no end": {replies: [][]any{{nil}, {nil, other, int64(-1)}},
			want: mended(refusedFor(interval)), calls: "set, " + look, posts: true},
		"too long": {replies: [][]any{{nil}, {nil, other, int64(10_001)}},
			want: mended(refusedFor(interval)), calls: "set, " + look, posts: true},
		"no end, as remembered": {terms: full1, replies: [][]any{{nil, other, int64(-1)}},
			want: mended(refusedFor(interval)), calls: look, posts: true},
		"still another's": {terms: full1, replies: [][]any{{nil, other, int64(7)}}, want: refusedFor(7 * ms), calls: look},
		"free early":      {terms: full1, replies: [][]any{{"OK", other, int64(7)}}, want: granted, calls: look},
		"its own, repeated": {repeat: true, replies: [][]any{{nil}, {nil, own, int64(9000)}},
			want: held(9000 * ms), calls: "set, " + look},
		"its own, by another client": {terms: Terms{Wait: patient, Mine: true}, replies: [][]any{{nil}, {nil, own, int64(9000)}},
			want: held(9000 * ms), calls: "set, " + look},
		"another's, repeated": {repeat: true, replies: [][]any{{nil}, {nil, other, int64(9)}},
			want: refusedFor(9 * ms), calls: "set, " + look},
		"gone meanwhile": {replies: [][]any{{nil}, {nil, nil, int64(-2)}, {"OK", own, int64(10_000)}},
			want: granted, calls: "set, " + look + ", " + look},
		"gone between two": {replies: [][]any{{nil}, {nil, other, int64(-2)}, {nil, other, int64(3)}},
			want: refusedFor(3 * ms), calls: "set, " + look + ", " + look},
		"always gone": {replies: [][]any{{nil}, {nil, nil, int64(-2)}, {nil, nil, int64(-2)}, {nil, nil, int64(-2)}},
			want: unknown, calls: "set, " + look + ", " + look + ", " + look},
		"the look doesn't come":      {replies: [][]any{{nil}, {lost}}, want: unknown, calls: "set, " + look},
		"the look is refused":        {replies: [][]any{{nil}, {nil, denied, int64(3)}}, want: unknown, calls: "set, " + look},
		"the look's end is refused":  {replies: [][]any{{nil}, {nil, other, denied}}, want: unknown, calls: "set, " + look},
		"the look is of no kind":     {replies: [][]any{{nil}, {nil, other, "3"}}, want: unknown, calls: "set, " + look},
		"an end of no kind":          {replies: [][]any{{nil}, {nil, other, int64(-3)}}, want: unknown, calls: "set, " + look},
		"repeated, and no look":      {repeat: true, replies: [][]any{{nil}, {lost}}, want: Verdict{Err: lost}, calls: "set, " + look},
		"repeated, a look refused":   {repeat: true, replies: [][]any{{nil}, {nil, denied, int64(3)}}, want: Verdict{Err: denied}, calls: "set, " + look},
		"perhaps its own, no look":   {terms: Terms{Wait: patient, Mine: true}, replies: [][]any{{nil}, {lost}}, want: Verdict{Err: lost}, calls: "set, " + look},
		"remembered, a look refused": {terms: full1, replies: [][]any{{nil, denied, int64(3)}}, want: Verdict{Err: denied}, calls: look},
	} {
		t.Run(name, func(t *testing.T) {
			if row.terms.Wait == 0 {
				row.terms.Wait = patient
			}
			d := &scriptedDoer{replies: row.replies, repeat: row.repeat}
			m := markOf("key", 1, 1)
			m.Token = token
			v, unread := newRedisMarks(Policy{Limit: 1, Interval: interval}).take(t.Context(), d, m, row.terms)
			assert.Equal(t, row.want, v)
			assert.Equal(t, row.calls, strings.Join(d.calls, ", "))
			assert.Equal(t, row.posts, len(d.posted) == 1 && d.posted[0] == "pexpire")
			assert.Equal(t, v.Err == error(lost), unread != nil, "who reads what comes late")
		})
	}
}

// GETEX reads as GET does, but a client that reads from replicas doesn't send it there.
func TestALookNeverGoesToAReplica(t *testing.T) {
	for _, limit := range []int64{1, 2, 128} {
		r := newRedisMarks(Policy{Limit: limit, Interval: time.Second})
		for _, command := range r.shape.looking(markOf("key", limit, 1)).Commands[:1] {
			require.Contains(t, []string{"getex", "evalsha"}, command.Name())
		}
	}
}

func TestTheLongestIntervalIsNoOverflow(t *testing.T) {
	longest := time.Duration(1<<63-1) / time.Millisecond * time.Millisecond
	d := &scriptedDoer{replies: [][]any{{nil}, {nil, "5", longest.Milliseconds()}}}
	v, _ := newRedisMarks(Policy{Limit: 1, Interval: longest}).take(t.Context(), d, markOf("key", 1, 1), Terms{Wait: patient})
	require.NoError(t, v.Err)
	require.Equal(t, longest, v.Lasts)
	require.Greater(t, v.Wait, v.Lasts)
}
