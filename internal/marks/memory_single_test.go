package marks

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAMarkTooManyTakesTheOldestsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(Policy{2, time.Minute}, 1000)
		first, second, third := newMark(0, 2, 1), newMark(0, 2, 1), newMark(0, 2, 1)
		m.take(first)
		time.Sleep(20 * time.Second)
		m.take(second)
		time.Sleep(20 * time.Second)
		m.keep(third, 0)
		v := m.peek(newMark(0, 2, 1))
		assert.Equal(t, Refused, v.Answer)
		assert.Equal(t, 40*time.Second, v.Wait, "the second mark is the oldest now")
		m.undo(first) // gone already
		assert.Equal(t, Refused, m.peek(newMark(0, 2, 1)).Answer)
	})
}

func TestAMarkThatIsNotedLivesOneInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(Policy{1, time.Minute}, 1000)
		m.keep(newMark(0, 1, 1), 0)
		time.Sleep(time.Minute - 1)
		assert.Equal(t, Refused, m.take(newMark(0, 1, 1)).Answer)
		time.Sleep(1)
		assert.Equal(t, Granted, m.take(newMark(0, 1, 1)).Answer)
	})
}

func TestAnUndoTakesItsOwnMarksBackAndOnlyOnce(t *testing.T) {
	for _, limit := range []int64{5, 0} {
		m := newMemory(Policy{limit, time.Hour}, 1000)
		mark := func(cost int64) *Mark { return newMark(0, 5, cost) }
		left := func() int64 { return 5 - m.peek(mark(5)).Remaining }
		one, two, refused := mark(1), mark(2), mark(4)
		m.take(one)
		m.take(two)
		m.take(refused)
		m.undo(refused)
		assert.EqualValues(t, 3, left())
		m.undo(two)
		assert.EqualValues(t, 1, left())
		m.take(mark(3))
		m.undo(two)
		assert.EqualValues(t, 4, left())
		m.forget(one.Hash)
		m.take(mark(1))
		m.undo(one)
		assert.EqualValues(t, 1, left(), "another's since it was forgotten")
	}
}
