package marks

import "context"

type denials struct{ next store }

func newDenials(next store, _ int) *denials { return &denials{next} }
func (d *denials) take(ctx context.Context, m *Mark, t Terms) Verdict { return d.next.take(ctx, m, t) }
func (d *denials) peek(ctx context.Context, m *Mark, t Terms) Verdict { return d.next.peek(ctx, m, t) }
func (d *denials) undo(ctx context.Context, m *Mark, t Terms) error   { return d.next.undo(ctx, m, t) }
func (d *denials) forget(ctx context.Context, m *Mark, t Terms) error { return d.next.forget(ctx, m, t) }
func (d *denials) learn(*Mark, Verdict)                              {}
func (d *denials) grow(int)                                          {}
func (d *denials) isEmpty() bool                                     { return true }
