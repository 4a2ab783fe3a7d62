package marks

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/line"
	"github.com/ginlimit/ginlimit/internal/redistest"
)

// A cluster client with ReadOnly sends what Redis flags as reading to replicas, also a batch of nothing else.
func TestRedisFlagsNoCallAsReading(t *testing.T) {
	infos, err := redistest.Start(t).Client().Command(t.Context()).Result()
	require.NoError(t, err)
	for _, limit := range []int64{1, 2, 128} {
		r := newRedisMarks(Policy{Limit: limit, Interval: time.Second})
		m := markOf("key", limit, 1)
		for _, call := range []string{r.shape.taking(m).Commands[0].Name(), r.shape.looking(m).Commands[0].Name(), r.shape.undoing(m).Commands[0].Name()} {
			assert.False(t, infos[call].ReadOnly, "%d: %s", limit, call)
		}
	}
}

// A batch holds no more commands of a list than it recognises when they come again. Looks leave nothing, and may be more.
func TestOnlyWhatAListRecognisesIsBounded(t *testing.T) {
	r, m := newRedisMarks(Policy{Interval: time.Second}), markOf("key", 1000, 1)
	assert.True(t, r.shape.taking(m).Few)
	assert.True(t, r.shape.undoing(m).Few)
	assert.True(t, r.shape.undoing(m).Once)
	assert.False(t, r.shape.looking(m).Few)
	assert.False(t, r.canUndoUnread(), "nobody knows the group")
	for _, limit := range []int64{1, 2} {
		r := newRedisMarks(Policy{Limit: limit, Interval: time.Second})
		assert.False(t, r.shape.taking(m).Few)
		assert.False(t, r.shape.undoing(m).Once)
		assert.True(t, r.canUndoUnread())
	}
}

// slowDoer takes a while to answer, and notes how long it might have.
type slowDoer struct {
	scriptedDoer
	waits  []time.Duration
	wholes []bool
}

func (d *slowDoer) Do(ctx context.Context, call *line.Call, wait time.Duration, whole bool) error {
	d.waits, d.wholes = append(d.waits, wait), append(d.wholes, whole)
	time.Sleep(time.Second)
	return d.scriptedDoer.Do(ctx, call, wait, whole)
}

// A request waits once for Redis, and a node isn't to blame for the second trip of a request.
func TestASecondTripWaitsForWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDoer{scriptedDoer: scriptedDoer{replies: [][]any{{nil}, {nil, "5", int64(400)}}}}
		m := markOf("key", 1, 1)
		m.Asked = clock.Now()
		v, _ := newRedisMarks(Policy{Limit: 1, Interval: time.Minute}).take(t.Context(), d, m, Terms{Wait: 10 * time.Second, Whole: true})
		assert.Equal(t, 400*time.Millisecond, v.Lasts)
		assert.Equal(t, []time.Duration{10 * time.Second, 9 * time.Second}, d.waits)
		assert.Equal(t, []bool{true, false}, d.wholes)
	})
}
