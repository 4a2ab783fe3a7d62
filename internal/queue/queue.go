// Package queue is the order in which what this process remembers leaves it again.
package queue

import "math"

// A Queue holds slots in the order in which they were added, and finds them by the hash of a key; several may lie under
// one. The slots are numbered densely: where one is removed, the last one moves into its place, so that what was removed
// takes no room, and memory follows what is there. No call pays for the growth of the whole.
type Queue[T any] struct {
	slots array[Slot[T]] // number 0 is none's: it closes the circle of the others
	heads array[uint32]  // of the chains in which slots are found: linear hashing (Litwin 1980), which splits one at a time
	keys  uint32
	added uint32 // slots ever
}

// A Slot is a value's place in a Queue. Until the next Remove, which may move it, it stays where it is.
type Slot[T any] struct {
	Hash   uint64 // of the key
	Value  T
	Serial uint32 // tells it from the slots before and after; wraps around
	next   uint32 // in the chain: those of one key lie together, the youngest first
	older  uint32
	newer  uint32
}

// New returns an empty queue.
func New[T any]() Queue[T] {
	q := Queue[T]{added: math.MaxUint32 - 1000} // it wraps around at once, not for the first time after years
	q.slots.grow()
	q.heads.grow()
	return q
}

// Len is how many slots there are.
func (q *Queue[T]) Len() int { return int(q.slots.length) - 1 }

// At returns the slot with a number.
func (q *Queue[T]) At(number uint32) *Slot[T] { return q.slots.at(number) }

// Oldest is the number of the slot that was added or renewed longest ago, or 0 where there is none.
func (q *Queue[T]) Oldest() uint32 { return q.At(0).newer }

// Youngest is the number of the slot that was added or renewed last, or 0 where there is none.
func (q *Queue[T]) Youngest() uint32 { return q.At(0).older }

// Find returns the number of the slot that was added last under a key, or 0 where there is none.
func (q *Queue[T]) Find(hash uint64) uint32 { return *q.link(hash) }

// Before returns the number of the slot that was added before under the same key, or 0 where there is none.
func (q *Queue[T]) Before(number uint32) uint32 {
	s := q.At(number)
	if s.next == 0 || q.At(s.next).Hash != s.Hash {
		return 0
	}
	return s.next
}

// Add adds the youngest slot, and returns its number.
func (q *Queue[T]) Add(hash uint64, value T) uint32 {
	number := q.slots.length
	q.slots.grow()
	link := q.link(hash)
	*q.At(number) = Slot[T]{Hash: hash, Value: value, Serial: q.added, next: *link}
	q.added++
	q.enter(number)
	isNew := *link == 0
	*link = number
	if isNew {
		q.keys++
		q.split()
	}
	return number
}

// Renew makes a slot the youngest.
func (q *Queue[T]) Renew(number uint32) {
	q.leave(number)
	q.enter(number)
}

// Remove takes a slot away.
func (q *Queue[T]) Remove(number uint32) {
	s := q.At(number)
	hash := s.Hash
	*q.linkTo(number) = s.next
	q.leave(number)
	if last := q.slots.length - 1; number != last {
		*q.linkTo(last) = number
		*s = *q.At(last)
		q.At(s.older).newer, q.At(s.newer).older = number, number
	}
	q.slots.shrink()
	if q.Find(hash) == 0 {
		q.keys--
		q.merge()
	}
}

func (q *Queue[T]) enter(number uint32) {
	s, end := q.At(number), q.At(0)
	s.older, s.newer = end.older, 0
	q.At(s.older).newer = number
	end.older = number
}

func (q *Queue[T]) leave(number uint32) {
	s := q.At(number)
	q.At(s.older).newer, q.At(s.newer).older = s.newer, s.older
}
