package main

import (
	"context"
	"errors"
)

// place is where a contender's Redis is: its servers, and the addresses by which clients reach them.
type place struct {
	servers []*server
	addrs   []string
	stop    func()
}

func startOne(ctx context.Context) (place, error) {
	s, err := startServer(ctx)
	if err != nil {
		return place{}, err
	}
	return place{[]*server{s}, []string{s.addr}, s.stop}, nil
}

func startCluster(ctx context.Context) (place, error) {
	c, err := startMasters(ctx, 3)
	if err != nil {
		return place{}, err
	}
	return place{c, c.addrs(), c.stop}, nil
}

// startDistant puts one server a millisecond away.
func startDistant(ctx context.Context) (place, error) {
	s, err := startServer(ctx)
	if err != nil {
		return place{}, err
	}
	addr, stop, err := startChild(ctx, "-distance", "1ms", "-redis", s.addr)
	if err != nil {
		s.stop()
		return place{}, err
	}
	return place{[]*server{s}, []string{addr}, func() { stop(); s.stop() }}, nil
}

func (p place) flush(ctx context.Context) error {
	var errs []error
	for _, s := range p.servers {
		errs = append(errs, s.admin.FlushAll(ctx).Err())
	}
	return errors.Join(errs...)
}

// used is how many commands the servers have run, those in scripts too, and their CPU time in nanoseconds.
func (p place) used(ctx context.Context) (commands, cpu float64, err error) {
	var errs []error
	for _, s := range p.servers {
		n, t, err := s.used(ctx)
		commands, cpu, errs = commands+n, cpu+t, append(errs, err)
	}
	return commands, cpu, errors.Join(errs...)
}
