package browser

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// page is the example's page in a browser's tab. Its methods end the test where something goes wrong.
type page struct {
	t   *testing.T
	ctx context.Context
}

func openPage(t *testing.T, ports string) *page {
	t.Helper()
	ctx := startBrowser(t)
	err := chromedp.Listen(ctx, func(event any) {
		if thrown, is := event.(*runtime.EventExceptionThrown); is {
			t.Errorf("the page's script failed: %s", thrown.ExceptionDetails.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &page{t, ctx}
	p.do(chromedp.Navigate(startExample(t, ports)))
	p.until("there are buttons", `document.querySelectorAll(".route button").length === 10`)
	return p
}

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// until waits until an expression is true.
func (p *page) until(what, expression string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[bool](expression,
		chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		p.t.Fatalf("waited in vain until %s: %v", what, err)
	}
}

func (p *page) read(expression string) string {
	p.t.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return text
}

// press asks a server (1 or 2) for a route and returns what the page says about the answer.
func (p *page) press(route string, server int) string {
	p.t.Helper()
	p.clear(route)
	p.do(chromedp.Click(button(route, server)))
	return p.answer(route)
}

// clear forgets the last answer, so that the next one can be told from it.
func (p *page) clear(route string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](stateOf(route) + `.textContent = ""`))
}

func (p *page) answer(route string) string {
	p.t.Helper()
	p.until(route+" is answered", stateOf(route)+`.textContent !== ""`)
	return p.read(stateOf(route) + `.textContent`)
}

func (p *page) colors(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

func stateOf(route string) string {
	return fmt.Sprintf(`document.querySelector("#%s .state")`, route)
}

func button(route string, server int) string {
	return fmt.Sprintf("#%s button:nth-of-type(%d)", route, server)
}
