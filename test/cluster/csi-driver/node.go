package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// nodeService stages a volume once and publishes it to each pod by a bind mount: of the folder, or of a loop device on the file.
type nodeService struct {
	csi.UnimplementedNodeServer
	id    string
	store *store
}

func (n *nodeService) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: n.id}, nil
}

func (n *nodeService) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	response := &csi.NodeGetCapabilitiesResponse{}
	for _, kind := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
		csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		rpc := &csi.NodeServiceCapability_RPC{Type: kind}
		response.Capabilities = append(response.Capabilities, &csi.NodeServiceCapability{Type: &csi.NodeServiceCapability_Rpc{Rpc: rpc}})
	}
	return response, nil
}

func (n *nodeService) NodeStageVolume(_ context.Context, request *csi.NodeStageVolumeRequest) (*csi.NodeStageVolumeResponse, error) {
	if request.StagingTargetPath == "" || request.VolumeCapability == nil {
		return nil, status.Error(codes.InvalidArgument, "no staging path or no capability")
	}
	known, err := n.volume(request.VolumeId, request.VolumeCapability)
	if err != nil {
		return nil, err
	}
	n.store.mutex.Lock()
	defer n.store.mutex.Unlock()
	return &csi.NodeStageVolumeResponse{}, stage(known, n.store.volumePath(known.Id), request.StagingTargetPath)
}

func stage(known *volume, content, target string) error {
	if known.Block {
		_, err := attach(content)
		return err
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if !known.Sized {
		return bind(content, target, false)
	}
	device, err := attach(content)
	if err != nil {
		return err
	}
	if mounted, err := isMounted(target); mounted || err != nil {
		return err
	}
	return unix.Mount(device, target, "ext4", 0, "")
}

func (n *nodeService) NodeUnstageVolume(_ context.Context, request *csi.NodeUnstageVolumeRequest) (*csi.NodeUnstageVolumeResponse, error) {
	if request.VolumeId == "" || request.StagingTargetPath == "" {
		return nil, status.Error(codes.InvalidArgument, "no volume id or no staging path")
	}
	n.store.mutex.Lock()
	defer n.store.mutex.Unlock()
	if err := unmount(request.StagingTargetPath); err != nil {
		return nil, err
	}
	known, err := read[volume](n.store, "volumes", request.VolumeId)
	if err == nil && known.isFile() {
		return &csi.NodeUnstageVolumeResponse{}, detach(n.store.volumePath(known.Id))
	}
	return &csi.NodeUnstageVolumeResponse{}, nil
}

func (n *nodeService) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	if request.TargetPath == "" || request.VolumeCapability == nil {
		return nil, status.Error(codes.InvalidArgument, "no target path or no capability")
	}
	if request.StagingTargetPath == "" {
		return nil, status.Error(codes.FailedPrecondition, "the volume is not staged")
	}
	known, err := n.volume(request.VolumeId, request.VolumeCapability)
	if err != nil {
		return nil, err
	}
	n.store.mutex.Lock()
	defer n.store.mutex.Unlock()
	alone := request.VolumeCapability.AccessMode.GetMode() == csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER
	if err := n.notePublished(known.Id, request.TargetPath, alone); err != nil {
		return nil, err
	}
	if known.Block {
		return &csi.NodePublishVolumeResponse{}, n.publishDevice(known, request.TargetPath)
	}
	if err := os.MkdirAll(request.TargetPath, 0o755); err != nil {
		return nil, err
	}
	return &csi.NodePublishVolumeResponse{}, bind(request.StagingTargetPath, request.TargetPath, request.Readonly)
}

// notePublished keeps the target on disk, where it outlives the driver; a volume of a single writer has one target.
func (n *nodeService) notePublished(id, target string, alone bool) error {
	notes := n.store.path("volumes", id, "published")
	if err := os.MkdirAll(notes, 0o755); err != nil {
		return err
	}
	note := filepath.Join(notes, noteName(target))
	others, err := os.ReadDir(notes)
	if err != nil {
		return err
	}
	for _, other := range others {
		if alone && other.Name() != filepath.Base(note) {
			return status.Errorf(codes.FailedPrecondition, "volume %s is published elsewhere", id)
		}
	}
	return os.WriteFile(note, nil, 0o600)
}

func noteName(target string) string { return idOf("target", filepath.Clean(target)) }

func (n *nodeService) publishDevice(known *volume, target string) error {
	device, err := attach(n.store.volumePath(known.Id))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	file.Close()
	return bind(device, target, false)
}

func (n *nodeService) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if request.VolumeId == "" || request.TargetPath == "" {
		return nil, status.Error(codes.InvalidArgument, "no volume id or no target path")
	}
	n.store.mutex.Lock()
	defer n.store.mutex.Unlock()
	if err := unmount(request.TargetPath); err != nil {
		return nil, err
	}
	note := n.store.path("volumes", filepath.Base(request.VolumeId), "published", noteName(request.TargetPath))
	if err := os.Remove(note); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	// Not recursively: a mount that is still there must not lose its files.
	if err := os.Remove(request.TargetPath); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

func (n *nodeService) NodeGetVolumeStats(_ context.Context, request *csi.NodeGetVolumeStatsRequest) (*csi.NodeGetVolumeStatsResponse, error) {
	if request.VolumeId == "" || request.VolumePath == "" {
		return nil, status.Error(codes.InvalidArgument, "no volume id or no path")
	}
	known, err := read[volume](n.store, "volumes", request.VolumeId)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	if _, err := os.Lstat(request.VolumePath); err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	usage := &csi.VolumeUsage{Unit: csi.VolumeUsage_BYTES, Total: known.Capacity}
	if known.Sized {
		var disk unix.Statfs_t
		err = unix.Statfs(request.VolumePath, &disk)
		usage.Total = int64(disk.Blocks) * disk.Bsize
		usage.Available = int64(disk.Bavail) * disk.Bsize
		usage.Used = int64(disk.Blocks-disk.Bfree) * disk.Bsize
	} else if !known.Block {
		usage.Used, err = usedBytes(n.store.volumePath(known.Id))
		usage.Available = max(known.Capacity-usage.Used, 0)
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{usage}}, err
}

func (n *nodeService) volume(id string, capability *csi.VolumeCapability) (*volume, error) {
	if id == "" {
		return nil, status.Error(codes.InvalidArgument, "no volume id")
	}
	known, err := read[volume](n.store, "volumes", id)
	if err != nil {
		return nil, status.Errorf(codes.NotFound, "volume %s: %v", id, err)
	}
	if (capability.GetBlock() != nil) != known.Block {
		return nil, status.Errorf(codes.InvalidArgument, "volume %s has the other mode", id)
	}
	return known, nil
}

func usedBytes(folder string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		if os.IsNotExist(err) { // removed meanwhile
			return nil
		}
		return err
	})
	return sum, err
}
