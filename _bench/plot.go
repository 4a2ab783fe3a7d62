package main

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const plotFile = "bench.svg"

// plotRouter draws the ratios on a logarithmic scale, allowed above denied: a row per contender, a dot per number of
// requests at once. The background is white, to be read on a dark page too.
func plotRouter(results []result, out io.Writer) error {
	plot.DefaultFont.Variant = "Sans"
	upper, err1 := panel(results, allowed, "Allowed: time per request, SetNX by hand = 1")
	lower, err2 := panel(results, denied, "Denied again: time per request, ginlimit = 1")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	canvas := vgsvg.New(22*vg.Centimeter, 24*vg.Centimeter)
	area := draw.New(canvas)
	area.SetColor(color.White)
	area.Fill(area.Rectangle.Path())
	area = draw.Crop(area, 12, -12, 12, -12)
	grid := [][]*plot.Plot{{upper}, {lower}}
	tiles := plot.Align(grid, draw.Tiles{Rows: 2, Cols: 1, PadY: 20}, area)
	for row := range grid {
		grid[row][0].Draw(tiles[row][0])
	}
	_, err := canvas.WriteTo(out)
	return err
}

func panel(results []result, mode, title string) (*plot.Plot, error) {
	rows := slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Mode != mode || r.Contender == none })
	labels := names(rows)
	slices.Reverse(labels) // the first is to be on top
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = 6
	p.NominalY(labels...)
	p.Y.Min, p.Y.Max = -0.6, float64(len(labels))-0.4
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = plot.TickerFunc(ticks)
	p.Legend.Top, p.Legend.Left, p.Legend.Padding = true, true, 4
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{230}, color.Gray{230}
	p.Add(grid, one)

	counts := atOnceOf(rows)
	for i, n := range counts {
		var dots plotter.XYs
		for _, r := range rows {
			if r.AtOnce == n {
				// The counts of one contender lie a little above each other, so that none hides another.
				shift := 0.3 - 0.6*float64(i)/float64(max(1, len(counts)-1))
				dots = append(dots, plotter.XY{X: r.Ratio, Y: float64(slices.Index(labels, r.Contender)) + shift})
			}
		}
		scatter, err := plotter.NewScatter(dots)
		if err != nil {
			return nil, err
		}
		scatter.GlyphStyle = draw.GlyphStyle{Color: shades[i%len(shades)], Radius: 3, Shape: draw.CircleGlyph{}}
		p.Add(scatter)
		if mode == allowed { // one legend is enough
			p.Legend.Add(fmt.Sprintf("%d at once", n), scatter)
		}
	}
	p.X.Min, p.X.Max = p.X.Min/1.3, p.X.Max*1.3
	return p, nil
}

// shades tell the counts apart for colour-blind eyes too: each is darker than the one before.
var shades = []color.Color{
	color.RGBA{0xb5, 0xd8, 0xea, 255}, color.RGBA{0x74, 0xb3, 0xd8, 255}, color.RGBA{0x32, 0x82, 0xbd, 255},
	color.RGBA{0x08, 0x51, 0x9c, 255}, color.RGBA{0x08, 0x24, 0x4c, 255},
}

// one is the line where nobody is faster.
var one = plotterFunc(func(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	style := draw.LineStyle{Color: color.RGBA{0xd9, 0x48, 0x01, 255}, Width: vg.Points(1)}
	c.StrokeLine2(style, x(1), c.Min.Y, x(1), c.Max.Y)
})

type plotterFunc func(draw.Canvas, *plot.Plot)

func (f plotterFunc) Plot(c draw.Canvas, p *plot.Plot) { f(c, p) }

// ticks are at 1, 2 and 5 and their multiples by ten.
func ticks(low, high float64) []plot.Tick {
	var all []plot.Tick
	for power := math.Floor(math.Log10(low)); power <= math.Log10(high); power++ {
		for _, digit := range []float64{1, 2, 5} {
			if x := digit * math.Pow(10, power); x >= low && x <= high {
				all = append(all, plot.Tick{Value: x, Label: fmt.Sprintf("%g×", math.Round(x*1000)/1000)})
			}
		}
	}
	return all
}
