package queue

import "math/bits"

// link returns what leads to the youngest slot of a key, or the end of the chain where it would be.
func (q *Queue[T]) link(hash uint64) *uint32 {
	link := q.heads.at(q.chain(hash))
	for *link != 0 && q.At(*link).Hash != hash {
		link = &q.At(*link).next
	}
	return link
}

// linkTo returns what leads to a slot.
func (q *Queue[T]) linkTo(number uint32) *uint32 {
	link := q.heads.at(q.chain(q.At(number).Hash))
	for *link != number {
		link = &q.At(*link).next
	}
	return link
}

// chain is the number of the chain in which a hash is found.
func (q *Queue[T]) chain(hash uint64) uint32 {
	n := q.heads.length
	mask := uint32(1)<<bits.Len32(n-1) - 1
	if i := uint32(hash) & mask; i < n {
		return i
	}
	return uint32(hash) & (mask >> 1)
}

// split makes two chains of one, where there are more keys than chains.
func (q *Queue[T]) split() {
	n := q.heads.length
	if q.keys <= n {
		return
	}
	q.heads.grow()
	from, to := q.heads.at(sibling(n)), q.heads.at(n)
	for *from != 0 {
		s := q.At(*from)
		if q.chain(s.Hash) != n {
			from = &s.next
			continue
		}
		*to, *from = *from, s.next
		to, s.next = &s.next, 0
	}
}

// merge undoes splits, where there are less than half as many keys as chains: two at most, as one key has gone.
func (q *Queue[T]) merge() {
	for q.heads.length > 2*q.keys+1 {
		n := q.heads.length - 1
		end := q.heads.at(sibling(n))
		for *end != 0 {
			end = &q.At(*end).next
		}
		*end = *q.heads.at(n)
		q.heads.shrink()
	}
}

// sibling is the chain from which a chain was split.
func sibling(n uint32) uint32 { return n &^ (1 << (bits.Len32(n) - 1)) }
