package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fault is what happens to calls of one method, in this order: the delay, then the error.
type fault struct {
	// DelayMs holds the call back, until its caller gives up at the latest.
	DelayMs int64 `json:"delayMs"`
	// Message, where given, is the error that the call ends with.
	Message string `json:"message"`
	// Code is the gRPC status code of the error, by its number; 0 stands for Internal.
	Code codes.Code `json:"code"`
	// Match limits the fault to requests whose text contains it: a volume's id, a snapshot's name.
	Match string `json:"match"`
	// Times ends the fault after so many calls; 0 is without end.
	Times int64 `json:"times"`
	// ReadyAfterMs lets a snapshot become ready so long after it was taken; below 0 never. Of CreateSnapshot and CreateVolumeGroupSnapshot only.
	ReadyAfterMs int64 `json:"readyAfterMs"`
}

type faultTable struct {
	mutex  sync.Mutex
	faults map[string]*fault
	calls  map[string]int64
}

// take finds the fault for a call and counts it off.
func (t *faultTable) take(method string, request any) fault {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.calls == nil {
		t.calls = map[string]int64{}
	}
	t.calls[method]++
	found := t.faults[method]
	if found == nil || !strings.Contains(fmt.Sprint(request), found.Match) {
		return fault{}
	}
	taken := *found
	if found.Times > 0 {
		if found.Times--; found.Times == 0 {
			delete(t.faults, method)
		}
	}
	return taken
}

type faultKey struct{}

// readyAt is when the snapshots that the call takes shall be ready; never where the fault says below 0.
func readyAt(ctx context.Context, taken time.Time) time.Time {
	found, _ := ctx.Value(faultKey{}).(fault)
	if found.ReadyAfterMs < 0 {
		return taken.AddDate(100, 0, 0)
	}
	return taken.Add(time.Duration(found.ReadyAfterMs) * time.Millisecond)
}

func (t *faultTable) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	method := path.Base(info.FullMethod)
	fault := t.take(method, request)
	if fault.DelayMs > 0 {
		select {
		case <-time.After(time.Duration(fault.DelayMs) * time.Millisecond):
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
	if fault.Message != "" {
		if fault.Code == codes.OK {
			fault.Code = codes.Internal
		}
		return nil, status.Error(fault.Code, fault.Message)
	}
	response, err := handle(context.WithValue(ctx, faultKey{}, fault), request)
	if err != nil {
		log.Printf("%s %v: %v", method, request, err)
	}
	return response, err
}

// serveControl answers `PUT /faults` with an object of faults by method, which replaces the one before, and `GET /calls` with how often each method was called.
func serveControl(table *faultTable, socket string) {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /faults", func(response http.ResponseWriter, request *http.Request) {
		faults := map[string]*fault{}
		decoder := json.NewDecoder(request.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&faults); err != nil {
			http.Error(response, err.Error(), http.StatusBadRequest)
			return
		}
		table.mutex.Lock()
		defer table.mutex.Unlock()
		table.faults = faults
		log.Printf("faults: %d", len(faults))
	})
	mux.HandleFunc("GET /calls", func(response http.ResponseWriter, _ *http.Request) {
		table.mutex.Lock()
		defer table.mutex.Unlock()
		_ = json.NewEncoder(response).Encode(table.calls)
	})
	log.Fatal(http.Serve(listen(socket), mux))
}
