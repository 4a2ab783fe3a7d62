package queue

// array is an array that grows and shrinks in pieces, so that growing copies no more than the list of them.
type array[T any] struct {
	pieces []*[pieceSize]T
	length uint32
}

const pieceSize = 128

func (a *array[T]) at(i uint32) *T { return &a.pieces[i/pieceSize][i%pieceSize] }

// grow adds a zero at the end.
func (a *array[T]) grow() {
	if int(a.length/pieceSize) == len(a.pieces) {
		a.pieces = append(a.pieces, new([pieceSize]T))
	}
	a.length++
}

// shrink takes the last one away. One empty piece is kept, so that a length that goes to and fro allocates nothing.
func (a *array[T]) shrink() {
	a.length--
	var zero T
	*a.at(a.length) = zero
	if n := len(a.pieces) - 1; int(a.length/pieceSize) < n-1 {
		a.pieces[n] = nil
		a.pieces = a.pieces[:n]
	}
}
