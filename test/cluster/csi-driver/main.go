// A CSI driver for tests: volumes are directories or sparse files of this machine, snapshots are copies. It serves one node.
package main

import (
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

func main() {
	name := flag.String("name", "csi.holdfast.test", "the driver's name")
	node := flag.String("node", "node", "the node's id")
	data := flag.String("data", "", "folder of volumes and snapshots")
	endpoint := flag.String("endpoint", "", "unix socket of the CSI services")
	register := flag.String("register", "", "unix socket in the kubelet's plugins_registry; none registers nowhere")
	control := flag.String("control", "", "unix socket that takes faults; none takes no faults")
	capacity := flag.Int64("capacity", 1<<40, "bytes that all volumes together may have")
	flag.Parse()

	store, err := openStore(*data, *capacity)
	if err != nil {
		log.Fatal(err)
	}
	faults := &faultTable{}
	server := grpc.NewServer(grpc.UnaryInterceptor(faults.intercept))
	csi.RegisterIdentityServer(server, &identity{name: *name})
	csi.RegisterControllerServer(server, &controller{store: store})
	csi.RegisterGroupControllerServer(server, &groupController{store: store})
	csi.RegisterNodeServer(server, &nodeService{id: *node, store: store})
	go serve(server, *endpoint)
	if *control != "" {
		go serveControl(faults, *control)
	}
	if *register != "" {
		registrar := grpc.NewServer()
		registration.RegisterRegistrationServer(registrar, &registrarService{name: *name, endpoint: *endpoint})
		go serve(registrar, *register)
	}

	// No call is waited for: what is half done is not there.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
}

func serve(server *grpc.Server, path string) {
	listener := listen(path)
	log.Printf("serving on %s", path)
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}

// listen takes the socket over from an earlier run.
func listen(path string) net.Listener {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		log.Fatal(err)
	}
	return listener
}
