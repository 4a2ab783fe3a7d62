package marks

import (
	"time"

	"github.com/ginlimit/ginlimit/internal/clock"
	"github.com/ginlimit/ginlimit/internal/queue"
)

// singleTable keeps marks one by one: a slot is a mark, and its value the instant at which that ends. All live equally
// long, so the oldest is the next to end.
type singleTable struct {
	queue.Queue[int64]
	interval time.Duration
}

func newSingleTable(interval time.Duration) *singleTable {
	return &singleTable{queue.New[int64](), interval}
}

func (s *singleTable) end(number uint32) int64 { return s.At(number).Value }

func (s *singleTable) alive(hash uint64, t int64) (alive int64) {
	for number := s.Find(hash); number != 0 && s.end(number) > t; number = s.Before(number) {
		alive++
	}
	return alive
}

func (s *singleTable) until(hash uint64, more, most int64, t int64) int64 {
	if more > most {
		return clock.After(t, s.interval)
	}
	return s.end(s.behind(hash, most-more))
}

// behind returns the number of the youngest mark that has so many younger ones under its key, or 0 where there is none.
func (s *singleTable) behind(hash uint64, younger int64) uint32 {
	number := s.Find(hash)
	for ; younger > 0 && number != 0; younger-- {
		number = s.Before(number)
	}
	return number
}

func (s *singleTable) makeRoom(m *Mark) int {
	for number := s.behind(m.Hash, m.Limit-m.Cost); number != 0; number = s.behind(m.Hash, m.Limit-m.Cost) {
		s.Remove(number)
	}
	return int(m.Cost)
}

func (s *singleTable) add(m *Mark, t int64) {
	for left := range m.Cost {
		number := s.Add(m.Hash, clock.After(t, s.interval))
		if left == 0 {
			m.place = place{serial: s.At(number).Serial, marks: m.Cost}
		}
	}
}

func (s *singleTable) undo(m *Mark, _ int64) {
	for number := s.find(m); number != 0; number = s.find(m) {
		s.Remove(number)
	}
}

// find returns the number of one of the slots of a mark, or 0 where none is left.
func (s *singleTable) find(m *Mark) uint32 {
	number := s.Find(m.Hash)
	for number != 0 && int64(s.At(number).Serial-m.place.serial) >= m.place.marks {
		number = s.Before(number)
	}
	return number
}
