// Command fanout serves prepared resources with go-control-plane, for the benchmark in benches/fanout.
//
// It uses the library as its documentation advises, in the way that costs least here: a cache per group of nodes and
// not per node, versions per type, and one update per group and change.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	runtime "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"
)

// What the file of prepared resources holds, a line each.
type line struct {
	State   int
	Group   int
	Type    string
	Name    string
	Version string
	Body    string
}

type named struct {
	name    string
	version string
	message types.Resource
}

// Resources by type.
type content map[string][]named

func empty(url string) types.Resource {
	switch url {
	case resource.ClusterType:
		return &cluster.Cluster{}
	case resource.EndpointType:
		return &endpoint.ClusterLoadAssignment{}
	case resource.ListenerType:
		return &listener.Listener{}
	case resource.RouteType:
		return &route.RouteConfiguration{}
	case resource.RuntimeType:
		return &runtime.Runtime{}
	}
	log.Fatalf("unknown type %s", url)
	return nil
}

// Reads the file: content by state and group.
func read(path string, groups int) [4][]content {
	var all [4][]content
	for state := range all {
		for range groups {
			all[state] = append(all[state], content{})
		}
	}
	file, err := os.Open(path)
	check(err)
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		var l line
		check(json.Unmarshal(scanner.Bytes(), &l))
		body, err := hex.DecodeString(l.Body)
		check(err)
		message := empty(l.Type)
		check(proto.Unmarshal(body, message))
		// Go puts the members of a oneof last: the same bytes, in another order.
		again, err := cache.MarshalResource(message)
		check(err)
		if len(again) != len(body) {
			log.Fatalf("%s %s is not what was prepared", l.Type, l.Name)
		}
		of := all[l.State][l.Group]
		of[l.Type] = append(of[l.Type], named{l.Name, l.Version, message})
	}
	check(scanner.Err())
	return all
}

func groupOf(id string, groups int) string {
	number, err := strconv.Atoi(id[strings.LastIndexByte(id, '-')+1:])
	if err != nil {
		return "unknown"
	}
	return strconv.Itoa(number % groups)
}

// One way to hold the content: shows a group what it is to see.
type holder interface {
	show(group int, before, after content)
}

type linear struct{ caches map[string]cache.Cache }

func newLinear(groups int) (*linear, cache.Cache) {
	caches := map[string]cache.Cache{}
	for group := range groups {
		for _, url := range urls {
			caches[url+" "+strconv.Itoa(group)] = cache.NewLinearCache(url)
		}
	}
	key := func(url string, node *core.Node) string { return url + " " + groupOf(node.GetId(), groups) }
	return &linear{caches}, &cache.MuxCache{
		Classify:      func(r *cache.Request) string { return key(r.GetTypeUrl(), r.GetNode()) },
		ClassifyDelta: func(r *cache.DeltaRequest) string { return key(r.GetTypeUrl(), r.GetNode()) },
		Caches:        caches,
	}
}

func (l *linear) show(group int, before, after content) {
	for _, url := range urls {
		changed := map[string]types.Resource{}
		for i, r := range after[url] {
			if before == nil || before[url][i].version != r.version {
				changed[r.name] = r.message
			}
		}
		if len(changed) > 0 {
			check(l.caches[url+" "+strconv.Itoa(group)].(*cache.LinearCache).UpdateResources(changed, nil))
		}
	}
}

type snapshots struct{ cache cache.SnapshotCache }

type byGroup struct{ groups int }

func (b byGroup) ID(node *core.Node) string { return groupOf(node.GetId(), b.groups) }

func (s snapshots) show(group int, _, after content) {
	snapshot := &cache.Snapshot{}
	for _, url := range urls {
		var versions strings.Builder
		var messages []types.Resource
		for _, r := range after[url] {
			versions.WriteString(r.version)
			messages = append(messages, r.message)
		}
		version := cache.HashResource([]byte(versions.String()))
		snapshot.Resources[cache.GetResponseType(url)] = cache.NewResources(version, messages)
	}
	check(s.cache.SetSnapshot(context.Background(), strconv.Itoa(group), snapshot))
}

var urls = []string{
	resource.ClusterType, resource.EndpointType, resource.ListenerType, resource.RouteType, resource.RuntimeType,
}

func main() {
	log.SetFlags(0)
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	prepared := flag.String("prepared", "", "file of prepared resources")
	groups := flag.Int("groups", 1, "groups of nodes")
	kind := flag.String("cache", "linear", "linear or snapshot")
	flag.Parse()

	states := read(*prepared, *groups)
	var held holder
	var served cache.Cache
	if *kind == "linear" {
		held, served = newLinear(*groups)
	} else {
		c := cache.NewSnapshotCache(true, byGroup{*groups}, nil)
		held, served = snapshots{c}, c
	}
	for group := range *groups {
		held.show(group, nil, states[0][group])
	}
	debug.FreeOSMemory()

	socket, err := net.Listen("tcp", *address)
	check(err)
	g := grpc.NewServer(
		grpc.MaxConcurrentStreams(1000),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	)
	discovery.RegisterAggregatedDiscoveryServiceServer(g, server.NewServer(context.Background(), served, nil))
	go func() { check(g.Serve(socket)) }()

	fmt.Printf("ready %s\n", socket.Addr())
	state := 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		before := state
		switch in.Text() {
		case "percent 0.25":
			state &^= 1
		case "percent 0.5":
			state |= 1
		case "route off":
			state &^= 2
		case "route on":
			state |= 2
		case "quit":
			return
		default:
			log.Fatalf("unknown command %q", in.Text())
		}
		for group := range *groups {
			held.show(group, states[before][group], states[state][group])
		}
		fmt.Println("done 0")
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
