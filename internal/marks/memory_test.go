package marks

func newMark(key int, limit, cost int64) *Mark {
	return &Mark{Hash: uint64(key+1) * 0x9e3779b97f4a7c15, Token: NewToken(), Limit: limit, Cost: cost}
}
