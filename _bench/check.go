package main

import (
	"context"
	"fmt"
	"net/http"
)

// check makes sure that an entrant limits at all, so that nobody is measured broken.
func (e entrant) check(ctx context.Context, p place, limit int) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	engine, err := e.engine(limit)
	if err != nil {
		return err
	}
	w := newWorker(engine)
	defer w.close()
	passed := 0
	for range 2 * limit { // redis_rate and ulule let more through as time goes on
		if w.serve(address(1)) == http.StatusOK {
			passed++
		}
	}
	if limits := passed >= limit && passed < 2*limit; limits != (e.open != nil) {
		return fmt.Errorf("%s is broken: at a limit of %d it lets %d of %d requests through", e.name, limit, passed, 2*limit)
	}
	return nil
}
