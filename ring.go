package ginlimit

import "math/bits"

// ring is a queue of slots that are found by the hash of a key. It takes and gives memory back a little at a time, so that
// no request pays for the growth of the whole, and what it holds has no pointers for the garbage collector to follow.
type ring[T any] struct {
	chunks []*[chunkSize]slot[T] // by the numbers of their slots; as many as a power of two
	spare  *[chunkSize]slot[T]
	tail   uint32   // the oldest slot's number; numbers only grow, wrap around, and none is 0
	head   uint32   // the next slot's number
	heads  []uint32 // of the chains in which slots are found: linear hashing (Litwin 1980), which splits one at a time
	found  int      // slots in these chains
}

type slot[T any] struct {
	hash  uint64 // of the key; 0: a gap, left by what was taken out
	value T
	next  uint32 // in the chain
}

const (
	gap        = 0
	chunkSize  = 128
	leastHeads = 16
)

func newRing[T any]() ring[T] {
	return ring[T]{chunks: make([]*[chunkSize]slot[T], 1), tail: 1, head: 1, heads: make([]uint32, leastHeads)}
}

// length is how many slots there are, gaps too.
func (r *ring[T]) length() uint32 { return r.head - r.tail }

func (r *ring[T]) at(number uint32) *slot[T] {
	return &r.chunks[number/chunkSize&uint32(len(r.chunks)-1)][number%chunkSize]
}

// find returns the link to a key's slot: its number, or 0 where there is none.
func (r *ring[T]) find(hash uint64) *uint32 {
	link := &r.heads[r.chain(hash)]
	for *link != 0 && r.at(*link).hash != hash {
		link = &r.at(*link).next
	}
	return link
}

// show lets a slot be found in place of what the link leads to.
func (r *ring[T]) show(link *uint32, number uint32) {
	if before := *link; before != 0 {
		r.at(number).next = r.at(before).next
		*link = number
		return
	}
	*link = number
	r.found++
	r.split()
}

// takeOut makes a gap of what the link leads to.
func (r *ring[T]) takeOut(link *uint32) {
	s := r.at(*link)
	*link, s.hash = s.next, gap
	r.found--
	r.merge()
	r.merge() // twice, to catch up with chains that half of the slots have left
}

// drop frees the slot at the tail, which must be a gap.
func (r *ring[T]) drop() {
	place := r.tail / chunkSize & uint32(len(r.chunks)-1)
	r.tail++
	if r.tail%chunkSize == 0 {
		r.spare, r.chunks[place] = r.chunks[place], nil
		r.shorten()
	}
}

// add puts a slot at the head, which isn't found yet, and returns its number.
func (r *ring[T]) add(hash uint64, value T) uint32 {
	if r.chunkCount() > len(r.chunks) {
		r.resize(2 * len(r.chunks))
	}
	place := &r.chunks[r.head/chunkSize&uint32(len(r.chunks)-1)]
	if *place == nil {
		*place, r.spare = r.spare, nil
	}
	if *place == nil {
		*place = new([chunkSize]slot[T])
	}
	number := r.head
	*r.at(number) = slot[T]{hash: hash, value: value}
	if r.head++; r.head == 0 {
		r.add(gap, value)
	}
	return number
}

// chunkCount is how many chunks the slots from the tail to the next one lie in.
func (r *ring[T]) chunkCount() int {
	return int((r.head-r.tail&^(chunkSize-1))/chunkSize) + 1
}

func (r *ring[T]) shorten() {
	if n := len(r.chunks); n > 1 && r.chunkCount() <= n/4 {
		r.resize(n / 2)
	}
}

func (r *ring[T]) resize(n int) {
	old := r.chunks
	r.chunks = make([]*[chunkSize]slot[T], n)
	first := r.tail &^ (chunkSize - 1)
	for i := range min(r.chunkCount(), len(old)) {
		number := (first + uint32(i)*chunkSize) / chunkSize
		r.chunks[number&uint32(n-1)] = old[number&uint32(len(old)-1)]
	}
}

// chain is the number of the chain in which a hash is found.
func (r *ring[T]) chain(hash uint64) uint64 {
	n := uint64(len(r.heads))
	mask := uint64(1)<<bits.Len64(n-1) - 1
	if i := hash & mask; i < n {
		return i
	}
	return hash & (mask >> 1)
}

// split makes two chains of one, where there are more slots than chains.
func (r *ring[T]) split() {
	n := len(r.heads)
	if r.found <= n {
		return
	}
	r.heads = append(r.heads, 0)
	from, to := &r.heads[sibling(n)], &r.heads[n]
	for *from != 0 {
		s := r.at(*from)
		if r.chain(s.hash) != uint64(n) {
			from = &s.next
			continue
		}
		*to, *from = *from, s.next
		to, s.next = &s.next, 0
	}
}

// merge undoes a split, where there are less than half as many slots as chains.
func (r *ring[T]) merge() {
	n := len(r.heads) - 1
	if n < leastHeads || r.found >= n/2 {
		return
	}
	end := &r.heads[sibling(n)]
	for *end != 0 {
		end = &r.at(*end).next
	}
	*end = r.heads[n]
	r.heads = r.heads[:n]
	if cap(r.heads) >= 4*n {
		r.heads = append(make([]uint32, 0, 2*n), r.heads...)
	}
}

// sibling is the chain from which a chain was split.
func sibling(n int) int { return n &^ (1 << (bits.Len(uint(n)) - 1)) }
