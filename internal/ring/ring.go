// Package ring is the queue in which tables of this process lie.
package ring

import "math/bits"

// A Ring is a queue of slots that are found by the hash of a key. It takes and gives memory back a little at a time, so
// that no request pays for the growth of the whole, and what it holds has no pointers for the garbage collector to follow.
type Ring[T any] struct {
	chunks []*[chunkSize]Slot[T] // by the numbers of their slots; as many as a power of two
	spare  *[chunkSize]Slot[T]
	tail   uint32   // the oldest slot's number; numbers only grow, wrap around, and none is 0
	head   uint32   // the next slot's number
	heads  []uint32 // of the chains in which slots are found: linear hashing (Litwin 1980), which splits one at a time
	found  int      // slots in these chains
}

// A Slot is a place in a Ring.
type Slot[T any] struct {
	Hash  uint64 // of the key; Gap where it was taken out
	Value T
	next  uint32 // in the chain
}

// Gap is the hash of a slot whose value was taken out.
const Gap = 0

const (
	chunkSize  = 128
	leastHeads = 16
)

// New returns an empty ring.
func New[T any]() Ring[T] {
	return Ring[T]{chunks: make([]*[chunkSize]Slot[T], 1), tail: 1, head: 1, heads: make([]uint32, leastHeads)}
}

// Len is how many slots there are, gaps too.
func (r *Ring[T]) Len() uint32 { return r.head - r.tail }

// Tail is the oldest slot's number.
func (r *Ring[T]) Tail() uint32 { return r.tail }

// At returns a slot, which stays where it is until it is dropped.
func (r *Ring[T]) At(number uint32) *Slot[T] {
	return &r.chunks[number/chunkSize&uint32(len(r.chunks)-1)][number%chunkSize]
}

// Find returns the link to a key's slot: its number, or 0 where there is none.
func (r *Ring[T]) Find(hash uint64) *uint32 {
	link := &r.heads[r.chain(hash)]
	for *link != 0 && r.At(*link).Hash != hash {
		link = &r.At(*link).next
	}
	return link
}

// Show lets a slot be found in place of what the link leads to.
func (r *Ring[T]) Show(link *uint32, number uint32) {
	if before := *link; before != 0 {
		r.At(number).next = r.At(before).next
		*link = number
		return
	}
	*link = number
	r.found++
	r.split()
}

// TakeOut makes a gap of what the link leads to.
func (r *Ring[T]) TakeOut(link *uint32) {
	s := r.At(*link)
	*link, s.Hash = s.next, Gap
	r.found--
	r.merge()
	r.merge() // twice, to catch up with chains that half of the slots have left
}

// Drop frees the slot at the tail, which must be a gap.
func (r *Ring[T]) Drop() {
	place := r.tail / chunkSize & uint32(len(r.chunks)-1)
	r.tail++
	if r.tail%chunkSize == 0 {
		r.spare, r.chunks[place] = r.chunks[place], nil
		r.shorten()
	}
}

// Add puts a slot at the head, which isn't found yet, and returns its number.
func (r *Ring[T]) Add(hash uint64, value T) uint32 {
	if r.chunkCount() > len(r.chunks) {
		r.resize(2 * len(r.chunks))
	}
	place := &r.chunks[r.head/chunkSize&uint32(len(r.chunks)-1)]
	if *place == nil {
		*place, r.spare = r.spare, nil
	}
	if *place == nil {
		*place = new([chunkSize]Slot[T])
	}
	number := r.head
	*r.At(number) = Slot[T]{Hash: hash, Value: value}
	if r.head++; r.head == 0 {
		r.Add(Gap, value)
	}
	return number
}

// chunkCount is how many chunks the slots from the tail to the next one lie in.
func (r *Ring[T]) chunkCount() int {
	return int((r.head-r.tail&^(chunkSize-1))/chunkSize) + 1
}

func (r *Ring[T]) shorten() {
	if n := len(r.chunks); n > 1 && r.chunkCount() <= n/4 {
		r.resize(n / 2)
	}
}

func (r *Ring[T]) resize(n int) {
	old := r.chunks
	r.chunks = make([]*[chunkSize]Slot[T], n)
	first := r.tail &^ (chunkSize - 1)
	for i := range min(r.chunkCount(), len(old)) {
		number := (first + uint32(i)*chunkSize) / chunkSize
		r.chunks[number&uint32(n-1)] = old[number&uint32(len(old)-1)]
	}
}

// chain is the number of the chain in which a hash is found.
func (r *Ring[T]) chain(hash uint64) uint64 {
	n := uint64(len(r.heads))
	mask := uint64(1)<<bits.Len64(n-1) - 1
	if i := hash & mask; i < n {
		return i
	}
	return hash & (mask >> 1)
}

// split makes two chains of one, where there are more slots than chains.
func (r *Ring[T]) split() {
	n := len(r.heads)
	if r.found <= n {
		return
	}
	r.heads = append(r.heads, 0)
	from, to := &r.heads[sibling(n)], &r.heads[n]
	for *from != 0 {
		s := r.At(*from)
		if r.chain(s.Hash) != uint64(n) {
			from = &s.next
			continue
		}
		*to, *from = *from, s.next
		to, s.next = &s.next, 0
	}
}

// merge undoes a split, where there are less than half as many slots as chains.
func (r *Ring[T]) merge() {
	n := len(r.heads) - 1
	if n < leastHeads || r.found >= n/2 {
		return
	}
	end := &r.heads[sibling(n)]
	for *end != 0 {
		end = &r.At(*end).next
	}
	*end = r.heads[n]
	r.heads = r.heads[:n]
	if cap(r.heads) >= 4*n {
		r.heads = append(make([]uint32, 0, 2*n), r.heads...)
	}
}

// sibling is the chain from which a chain was split.
func sibling(n int) int { return n &^ (1 << (bits.Len(uint(n)) - 1)) }
