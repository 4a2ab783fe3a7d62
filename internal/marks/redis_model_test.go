package marks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ginlimit/ginlimit/internal/redistest"
)

// walker is a random client of one key, whose marks are compared with the naive ones at each step.
type walker struct {
	*clocked
	marks  *redisMarks
	model  *naive
	policy Policy
	limit  int64
	random *rand.Rand
	key    string
	past   []*Mark
	slowed int64 // when the server's clock went back
}

func (r *walker) sleep(ms int64) {
	r.now += ms
	r.model.real += ms
}

func (r *walker) mark() *Mark {
	limit, cost := r.limit, int64(1)
	if r.policy.Limit == 0 && r.random.IntN(3) == 0 { // the plan changes
		limit = 1 + r.random.Int64N(r.limit)
	}
	switch r.random.IntN(4) {
	case 0:
		cost = 1 + r.random.Int64N(limit)
	case 1:
		cost = 1 + r.random.Int64N(1+limit/50)
	}
	return &Mark{Key: r.key, Hash: 1, Token: r.random.Int64(), Limit: limit, Cost: min(cost, limit)}
}

// any is a mark of before. What is done with it a second time is done soon, while Redis recognises it.
func (r *walker) any() *Mark { return r.past[max(0, len(r.past)-1-r.random.IntN(40))] }

func (r *walker) step() string {
	m := r.mark()
	switch what := r.random.IntN(20); {
	case what < 5 && len(r.past) > 0:
		m = r.any()
		if _, left := r.model.of[m.Token]; !left && !r.model.recognises(m.Token) {
			return "nothing"
		}
		r.undoes(r.marks, m)
		r.model.undo(m)
		if r.random.IntN(2) == 0 { // is sent again
			r.undoes(r.marks, m)
		}
		return fmt.Sprint("undo ", m.Token)
	case what < 7 && len(r.past) > 0:
		if m = r.any(); !r.model.recognises(m.Token) {
			return "nothing"
		}
	case what < 9:
		want := r.model.take(m, r.now, true)
		require.Equal(r.t, want, r.looks(r.marks, m), "look of %d at %d", m.Cost, r.now)
		return "look"
	}
	want := r.model.take(m, r.now, false)
	got := r.takes(r.marks, m)
	require.Equal(r.t, want, got, "token %d cost %d limit %d at %d", m.Token, m.Cost, m.Limit, r.now)
	if got.Held && !slices.Contains(r.past, m) {
		r.past = append(r.past, m)
	}
	r.holds(m, got)
	return fmt.Sprint("take ", m.Token, m.Cost)
}

// holds checks what is promised, whatever the model says.
func (r *walker) holds(m *Mark, v Verdict) {
	own := r.model.interval
	if v.Held {
		if _, is := r.model.exact[m.Token]; is {
			require.LessOrEqual(r.t, r.model.alive(r.model.real-own), max(m.Limit, r.limit), "a window holds too many")
		}
		return
	}
	if r.model.real-r.slowed <= 3*own {
		return // what a slower clock wrote over lives longer
	}
	still := r.model.alive(r.model.real - own - r.model.width + 1)
	require.Greater(r.t, m.Cost, m.Limit-still, "denied for marks that should have been free")
}

// pass lets time go by: mostly little, now and then past every mark, and rarely back, as after a failover.
func (r *walker) pass() {
	interval := r.model.interval
	switch r.random.IntN(40) {
	case 0:
		r.sleep(interval + r.random.Int64N(interval))
	case 1:
		r.now -= r.random.Int64N(interval)
		r.slowed = r.model.real
	case 2:
		r.sleep(r.random.Int64N(interval))
	case 3, 4, 5, 6, 7, 8, 9, 10:
		r.sleep(r.random.Int64N(interval/20 + 1))
	case 11:
		if r.random.IntN(10) == 0 {
			require.NoError(r.t, r.client.Del(r.t.Context(), r.key).Err())
			r.model.clear()
			if last := len(r.past) - 1; last >= 0 && r.random.IntN(2) == 0 {
				m := r.past[last]
				require.Equal(r.t, r.model.take(m, r.now, false), r.takes(r.marks, m), "left anew")
			}
		}
	default:
		r.sleep(r.random.Int64N(4))
	}
}

func TestRedisAgainstANaiveModel(t *testing.T) {
	client := redistest.Start(t).Client()
	for _, limit := range []int64{2, 3, 127, 128, 1000, 1e6, MostLimit} {
		for _, own := range []bool{false, true} {
			for _, interval := range []time.Duration{5, 100, 1000, 12345} {
				policy := Policy{Limit: limit, Interval: interval * time.Millisecond}
				if own {
					policy.Limit = 0
				}
				name := fmt.Sprintf("%d/%d own=%v", limit, interval, own)
				t.Run(name, func(t *testing.T) {
					seed := rand.Uint64()
					r := &walker{clocked: newClocked(t, client), marks: newRedisMarks(policy), model: newNaive(policy),
						policy: policy, limit: limit, random: rand.New(rand.NewPCG(seed, 0)), key: name}
					t.Log("seed", seed)
					for range 1000 {
						what := r.step()
						r.structure(what)
						r.pass()
					}
				})
			}
		}
	}
}

// structure checks that Redis holds no more groups or members than it may.
func (r *walker) structure(what string) {
	if r.policy.grouped() {
		length := r.client.LLen(r.t.Context(), r.key).Val()
		require.LessOrEqual(r.t, length, int64(mostGroups), what)
		return
	}
	require.LessOrEqual(r.t, r.client.ZCard(r.t.Context(), r.key).Val(), int64(128), what)
}
