package marks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	for _, limit := range []int64{1, 2} {
		r := newRedisMarks(Policy{Limit: limit, Interval: time.Second})
		assert.False(t, r.shape.taking(m).Few)
		assert.False(t, r.shape.undoing(m).Once)
	}
}
