package browser

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const payBar = `document.querySelector("#pay .bar i").getAnimations().length`

// TestPay pays at one server, is denied by the other one, watches the wait run down, and pays again.
func TestPay(t *testing.T) {
	p := openPage(t, "0,0")
	asked := 1
	if said := p.press("pay", asked); !strings.HasPrefix(said, "200 from") {
		t.Fatalf("the first payment: %s", said)
	}
	p.until("the mark is listed", `document.querySelector("#marks").innerText.includes(":/pay:ip=127.0.0.1")`)

	for said := ""; !strings.HasPrefix(said, "429 from"); {
		asked = 3 - asked // the other one; it says 200 only where the machine slept through the whole interval
		said = p.press("pay", asked)
		t.Logf("server %d: %s", asked, said)
	}
	p.until("the bar runs", payBar+` === 1`)
	p.until("the answer is shown", `/429 Too Many Requests\nRetry-After: \d+\n/.test(document.querySelector("#answer").innerText)`)
	p.until("a screen reader is told", `/^Pay: 429 from server \d+, try again in \d+ s/.test(document.querySelector("[role=status]").textContent)`)

	p.until("the wait is over", `document.querySelector("#pay .state").textContent.endsWith("now try again")`)
	p.until("the bar has ended", payBar+` === 0`)
	p.until("the mark is gone", `!document.querySelector("#marks").innerText.includes("/pay")`)
	if said := p.press("pay", asked); !strings.HasPrefix(said, "200 from") {
		t.Fatalf("the payment after the wait: %s", said)
	}
}

// TestEveryButton presses each button by keyboard: all work, and each answer comes from the server that was asked.
func TestEveryButton(t *testing.T) {
	p := openPage(t, "0,0")
	for _, route := range []string{"pay", "report", "login", "api-stock", "api-orders"} {
		for server := 1; server <= 2; server++ {
			p.clear(route)
			p.do(chromedp.SendKeys(button(route, server), kb.Enter))
			said := p.answer(route)
			port := p.read(`document.querySelector("` + button(route, server) + `").textContent`)[len("Ask "):]
			if !strings.Contains(said, " from "+port+": ") {
				t.Errorf("%s, server %d on port %s: %s", route, server, port, said)
			}
		}
	}
}

func TestFitsAnyScreen(t *testing.T) {
	p := openPage(t, "0,0")
	p.press("login", 1)
	p.press("login", 2)
	for _, width := range []int64{320, 480, 760, 1600} {
		p.do(chromedp.EmulateViewport(width, 700))
		p.until(fmt.Sprintf("nothing sticks out at %d pixels", width), `document.documentElement.scrollWidth <= innerWidth`)
		p.until("buttons are large enough for a finger",
			`[...document.querySelectorAll("button")].every((b) => b.offsetWidth >= 44 && b.offsetHeight >= 44)`)
	}
}

// TestScreenshot draws ../page.png anew where UPDATE_SCREENSHOT is 1.
func TestScreenshot(t *testing.T) {
	if os.Getenv("UPDATE_SCREENSHOT") != "1" {
		t.Skip("UPDATE_SCREENSHOT=1 draws _example/page.png")
	}
	p := openPage(t, "8080,8081")
	p.do(chromedp.EmulateViewport(1000, 700), p.colors("light"))
	p.press("report", 2)
	p.press("login", 1)
	p.press("login", 2)
	p.press("pay", 1)
	p.press("pay", 2)
	p.do(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`))
	p.until("all marks are listed", `document.querySelectorAll("#marks ul li").length === 4`)
	p.until("the wait has run down a little", stateOf("pay")+`.textContent.endsWith("try again in 7 s")`)
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("../page.png", picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
