package test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
)

type verb string

const (
	take verb = "take"
	look verb = "look" // the remaining requests that a take was told of: a retry counts later than it took
	undo verb = "undo"
)

// operation is what was asked of marks, and when, on one clock for all processes.
type operation struct {
	verb      verb
	key       string
	limit     int
	interval  time.Duration
	token     int64
	call, end time.Duration
}

// answer is what came back. It is not known where there was an error: the operation may have happened, or not.
type answer struct {
	known, allowed bool
	remaining      int
}

// living is a mark that was taken at some instant from earliest to latest.
type living struct {
	token            int64
	earliest, latest time.Duration
}

// marksAt is a key after the operations until the instant now or later. The oldest mark comes first, and expires first.
type marksAt struct {
	now   time.Duration
	marks []living
}

// blur is how far Redis's clock and this process's may drift apart within an interval. Redis counts whole milliseconds,
// so its marks may live for one more.
const blur = 2 * time.Millisecond

// step says what may be alive after an operation: marks that can have expired by then may be gone, those that must have
// are.
func step(before marksAt, o operation, a answer) (possible []any) {
	now, marks := max(before.now, o.call), slices.Clone(before.marks)
	for i := range marks {
		marks[i].latest = min(marks[i].latest, o.end) // it came before this operation
	}
	for {
		if !slices.ContainsFunc(marks, func(m living) bool { return now-m.latest > o.interval+time.Millisecond+blur }) {
			for _, after := range apply(marks, now, o, a) {
				possible = append(possible, marksAt{now, after})
			}
		}
		if len(marks) == 0 || o.end-marks[0].earliest <= o.interval-blur {
			return possible
		}
		now = max(now, marks[0].earliest+o.interval-blur)
		marks = marks[1:]
	}
}

// apply is the specification without time: what is alive after an operation that answered so, if it can have.
func apply(marks []living, now time.Duration, o operation, a answer) (possible [][]living) {
	own := slices.IndexFunc(marks, func(m living) bool { return m.token == o.token })
	free := o.limit - len(marks)
	if !a.known {
		possible = append(possible, marks)
	}
	switch allowed := own >= 0 || free > 0; {
	case o.verb == look && own >= 0 && free == a.remaining,
		o.verb == take && own >= 0 && (a.allowed || !a.known),
		o.verb == take && !allowed && a.known && !a.allowed,
		o.verb == undo && own < 0 && a.known:
		return append(possible, marks)
	case o.verb == take && own < 0 && allowed && (a.allowed || !a.known):
		return append(possible, append(slices.Clone(marks), living{o.token, now, o.end}))
	case o.verb == undo && own >= 0:
		return append(possible, slices.Delete(slices.Clone(marks), own, own+1))
	}
	return possible
}

// marksModel is what marks are: up to the limit at a time, each alive for one interval unless its own request takes it back.
var marksModel = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{marksAt{}} },
	Step: func(state, input, output any) []any { return step(state.(marksAt), input.(operation), output.(answer)) },
	Equal: func(a, b any) bool {
		return a.(marksAt).now == b.(marksAt).now && slices.Equal(a.(marksAt).marks, b.(marksAt).marks)
	},
	Partition: func(history []porcupine.Operation) (keys [][]porcupine.Operation) {
		index := map[string]int{}
		for _, o := range history {
			key := o.Input.(operation).key
			i, known := index[key]
			if !known {
				i = len(keys)
				index[key], keys = i, append(keys, nil)
			}
			keys[i] = append(keys[i], o)
		}
		return keys
	},
	DescribeOperation: func(input, output any) string {
		o, a := input.(operation), output.(answer)
		return fmt.Sprintf("%s %s %d: %+v", o.verb, o.key, o.token, a)
	},
}).ToModel()

// events makes a history of operations and their answers.
func events(client int, o operation, a answer) []porcupine.Operation {
	if !a.known {
		o.end = math.MaxInt64 // it may still happen
	}
	history := []porcupine.Operation{{ClientId: client, Input: o, Output: a, Call: int64(o.call), Return: int64(o.end)}}
	add := func(v verb, a answer) {
		o.verb = v
		history = append(history, porcupine.Operation{ClientId: client, Input: o, Output: a, Call: int64(o.call), Return: int64(o.end)})
	}
	lasted := o.end - o.call
	switch {
	case o.verb != take || !a.known:
	case lasted > o.interval-blur: // its mark may have expired before a retry
		for range min(lasted/o.interval+1, 3) {
			add(take, answer{})
		}
	case a.allowed:
		add(look, a)
	}
	return history
}

func TestTheModelTellsRightFromWrong(t *testing.T) {
	const s = time.Second
	ask := func(v verb, token int64, call, end time.Duration, a answer) func(limit int) []porcupine.Operation {
		return func(limit int) []porcupine.Operation {
			return events(int(token), operation{v, "key", limit, 10 * s, token, call, end}, a)
		}
	}
	allowed := func(remaining int) answer { return answer{true, true, remaining} }
	denied, done, unknown := answer{known: true}, answer{known: true}, answer{}
	type history []func(int) []porcupine.Operation
	for name, test := range map[string]struct {
		limit   int
		want    porcupine.CheckResult
		history history
	}{
		"one of two at once":            {1, porcupine.Ok, history{ask(take, 1, 1*s, 3*s, allowed(0)), ask(take, 2, 1*s, 3*s, denied)}},
		"both of two at once":           {1, porcupine.Illegal, history{ask(take, 1, 1*s, 3*s, allowed(0)), ask(take, 2, 1*s, 3*s, allowed(0))}},
		"none of two at once":           {1, porcupine.Illegal, history{ask(take, 1, 1*s, 3*s, denied), ask(take, 2, 1*s, 3*s, denied)}},
		"one more than the limit":       {2, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(1)), ask(take, 2, 2*s, 3*s, allowed(0)), ask(take, 3, 3*s, 4*s, allowed(0))}},
		"counted wrongly":               {3, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(2)), ask(take, 2, 3*s, 4*s, allowed(2))}},
		"an interval later":             {1, porcupine.Ok, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(take, 2, 11*s, 12*s, allowed(0))}},
		"before an interval has passed": {1, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(take, 2, 9*s, 10*s, allowed(0))}},
		"three where two fit":           {1, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(take, 2, 11*s, 13*s, allowed(0)), ask(take, 3, 19*s, 20*s, allowed(0))}},
		"denied after an interval":      {1, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(take, 2, 13*s, 14*s, denied)}},
		"denied by a denial":            {1, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(take, 2, 10*s, 11*s, denied), ask(take, 3, 13*s, 14*s, denied)}},
		"the same request again":        {1, porcupine.Ok, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(take, 1, 3*s, 4*s, allowed(0))}},
		"denied by its own mark":        {1, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(take, 1, 3*s, 4*s, denied)}},
		"refunded":                      {1, porcupine.Ok, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(undo, 1, 3*s, 4*s, done), ask(take, 2, 5*s, 6*s, allowed(0))}},
		"not refunded":                  {1, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(undo, 1, 3*s, 4*s, done), ask(take, 2, 5*s, 6*s, denied)}},
		"another's mark refunded":       {1, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(undo, 2, 3*s, 4*s, done), ask(take, 3, 5*s, 6*s, allowed(0))}},
		"denied by one without answer":  {1, porcupine.Ok, history{ask(take, 1, 1*s, 2*s, unknown), ask(take, 2, 13*s, 14*s, denied)}},
		"one without answer costs one":  {1, porcupine.Illegal, history{ask(take, 1, 1*s, 2*s, unknown), ask(take, 2, 3*s, 4*s, denied), ask(take, 3, 15*s, 16*s, denied)}},
		"refund without answer":         {1, porcupine.Ok, history{ask(take, 1, 1*s, 2*s, allowed(0)), ask(undo, 1, 3*s, 4*s, unknown), ask(take, 2, 5*s, 6*s, denied), ask(take, 3, 7*s, 8*s, allowed(0))}},
		"long enough to take twice":     {1, porcupine.Ok, history{ask(take, 1, 1*s, 20*s, denied), ask(take, 2, 3*s, 4*s, denied), ask(take, 3, 17*s, 18*s, allowed(0))}},
	} {
		var operations []porcupine.Operation
		for _, o := range test.history {
			operations = append(operations, o(test.limit)...)
		}
		assert.Equal(t, test.want, porcupine.CheckOperationsTimeout(marksModel, operations, 10*time.Second), name)
	}
}
