package main

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/gin-gonic/gin"
)

//go:embed page
var files embed.FS

func servePage(r *gin.Engine) {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err)
	}
	for _, path := range []string{"/", "/page.css", "/page.js", "/marks.js", "/rundown.js"} {
		r.GET(path, gin.WrapH(http.FileServerFS(page)))
	}
}

// allowEachOther lets the page of one server call the other one and read the headers it shows (CORS). The page sends
// plain requests only, for which browsers ask no permission beforehand.
func allowEachOther(ports []string) gin.HandlerFunc {
	allowed := map[string]bool{}
	for _, port := range ports {
		allowed["http://localhost:"+port] = true
		allowed["http://127.0.0.1:"+port] = true
	}
	return func(c *gin.Context) {
		c.Header("Vary", "Origin")
		if origin := c.GetHeader("Origin"); allowed[origin] {
			c.Header("Access-Control-Allow-Origin", origin)
			c.Header("Access-Control-Expose-Headers", "Retry-After, RateLimit, RateLimit-Policy, X-Served-By")
		}
	}
}
