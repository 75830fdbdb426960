// Verifies tokens with go-oidc, one after another, for as long as standard input lasts.
//
//	verify ISSUER AUDIENCE
//
// A line is a number and a token; the answer is the number and `ok`, or the number, `refused` and why.
// One verifier lives through all of it, with the cache that a service would have.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	oidc "github.com/coreos/go-oidc"
)

// The library looks for an unknown key only in the last 30 seconds of max-age, whatever max-age is. That
// number is its own and does not scale, so max-age is made longer by as much: what is left is a library
// that knows nothing of new keys for the whole of the max-age that the issuer gave.
const expiryDelta = 30

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: verify ISSUER AUDIENCE")
		os.Exit(2)
	}
	client := &http.Client{Transport: longerMaxAge{http.DefaultTransport}, Timeout: 5 * time.Second}
	ctx := oidc.ClientContext(context.Background(), client)
	provider, err := oidc.NewProvider(ctx, os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: os.Args[2]})

	answers := make(chan string)
	go func() {
		for answer := range answers {
			fmt.Println(answer)
		}
	}()
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		number, token, _ := strings.Cut(lines.Text(), " ")
		go func() {
			if _, err := verifier.Verify(ctx, token); err != nil {
				answers <- number + " refused " + strings.Join(strings.Fields(err.Error()), " ")
				return
			}
			answers <- number + " ok"
		}()
	}
}

type longerMaxAge struct{ http.RoundTripper }

func (transport longerMaxAge) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := transport.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if _, given, found := strings.Cut(response.Header.Get("Cache-Control"), "max-age="); found {
		seconds, err := strconv.Atoi(given)
		if err != nil {
			return nil, fmt.Errorf("max-age is not a number: %w", err)
		}
		response.Header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", seconds+expiryDelta))
	}
	return response, nil
}
