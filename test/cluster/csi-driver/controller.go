package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	smallest int64 = 1 << 20
	usual    int64 = 1 << 30
)

type controller struct {
	csi.UnimplementedControllerServer
	store *store
}

func (c *controller) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_LIST_VOLUMES,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
		csi.ControllerServiceCapability_RPC_GET_CAPACITY,
		csi.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		rpc := &csi.ControllerServiceCapability_RPC{Type: kind}
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{Type: &csi.ControllerServiceCapability_Rpc{Rpc: rpc}})
	}
	return response, nil
}

func (c *controller) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	if request.Name == "" {
		return nil, status.Error(codes.InvalidArgument, "no name")
	}
	if len(request.VolumeCapabilities) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no capabilities")
	}
	wanted := &volume{
		Id:           idOf("vol", request.Name),
		Name:         request.Name,
		Capacity:     max(request.CapacityRange.GetRequiredBytes(), smallest),
		shape:        shape{Block: request.VolumeCapabilities[0].GetBlock() != nil},
		FromSnapshot: request.VolumeContentSource.GetSnapshot().GetSnapshotId(),
		FromVolume:   request.VolumeContentSource.GetVolume().GetVolumeId(),
	}
	wanted.Sized = !wanted.Block && request.Parameters["sized"] == "true"
	if request.CapacityRange.GetRequiredBytes() == 0 {
		wanted.Capacity = usual
	}
	limit := request.CapacityRange.GetLimitBytes()
	if limit > 0 && wanted.Capacity > limit {
		wanted.Capacity = limit
	}

	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	known, err := read[volume](c.store, "volumes", wanted.Id)
	if err == nil {
		return c.sameVolume(known, wanted, limit, request.VolumeContentSource)
	}
	if !errors.Is(err, errNotFound) {
		return nil, err
	}
	if err := c.checkSource(wanted); err != nil {
		return nil, err
	}
	if err := c.store.createVolume(wanted); err != nil {
		if errors.Is(err, errFull) {
			return nil, status.Error(codes.OutOfRange, err.Error())
		}
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.CreateVolumeResponse{Volume: describe(wanted, request.VolumeContentSource)}, nil
}

func (c *controller) sameVolume(known, wanted *volume, limit int64, source *csi.VolumeContentSource) (*csi.CreateVolumeResponse, error) {
	fits := known.Capacity >= wanted.Capacity && (limit == 0 || known.Capacity <= limit)
	if !fits || known.shape != wanted.shape || known.FromSnapshot != wanted.FromSnapshot || known.FromVolume != wanted.FromVolume {
		return nil, status.Errorf(codes.AlreadyExists, "%s is there and is not as asked for", known.Name)
	}
	return &csi.CreateVolumeResponse{Volume: describe(known, source)}, nil
}

// checkSource holds what the volume is filled from to its mode and size.
func (c *controller) checkSource(wanted *volume) error {
	var size int64
	var had shape
	switch {
	case wanted.FromSnapshot != "":
		source, err := read[snapshot](c.store, "snapshots", wanted.FromSnapshot)
		if err != nil {
			return status.Errorf(codes.NotFound, "snapshot %s: %v", wanted.FromSnapshot, err)
		}
		size, had = source.Size, source.shape
	case wanted.FromVolume != "":
		source, err := read[volume](c.store, "volumes", wanted.FromVolume)
		if err != nil {
			return status.Errorf(codes.NotFound, "volume %s: %v", wanted.FromVolume, err)
		}
		size, had = source.Capacity, source.shape
	default:
		return nil
	}
	if had != wanted.shape {
		return status.Error(codes.InvalidArgument, "the source has another volume mode, or another class")
	}
	if size > wanted.Capacity {
		return status.Errorf(codes.OutOfRange, "the source has %d bytes, the volume only %d", size, wanted.Capacity)
	}
	return nil
}

func describe(known *volume, source *csi.VolumeContentSource) *csi.Volume {
	return &csi.Volume{VolumeId: known.Id, CapacityBytes: known.Capacity, ContentSource: source}
}

func (c *controller) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	if request.VolumeId == "" {
		return nil, status.Error(codes.InvalidArgument, "no volume id")
	}
	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	return &csi.DeleteVolumeResponse{}, c.store.remove("volumes", request.VolumeId)
}

func (c *controller) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if request.VolumeId == "" || len(request.VolumeCapabilities) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no volume id or no capabilities")
	}
	known, err := read[volume](c.store, "volumes", request.VolumeId)
	if err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	for _, capability := range request.VolumeCapabilities {
		if (capability.GetBlock() != nil) != known.Block {
			return &csi.ValidateVolumeCapabilitiesResponse{Message: "the volume has the other mode"}, nil
		}
	}
	confirmed := &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: request.VolumeCapabilities}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: confirmed}, nil
}

func (c *controller) GetCapacity(context.Context, *csi.GetCapacityRequest) (*csi.GetCapacityResponse, error) {
	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	left, err := c.store.available()
	return &csi.GetCapacityResponse{AvailableCapacity: left}, err
}

func (c *controller) ListVolumes(_ context.Context, request *csi.ListVolumesRequest) (*csi.ListVolumesResponse, error) {
	volumes, err := list[volume](c.store, "volumes")
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(volumes, request.StartingToken, request.MaxEntries)
	if err != nil {
		return nil, err
	}
	response := &csi.ListVolumesResponse{NextToken: next}
	for _, known := range page {
		response.Entries = append(response.Entries, &csi.ListVolumesResponse_Entry{Volume: describe(known, nil)})
	}
	return response, nil
}

func (c *controller) CreateSnapshot(ctx context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	if request.Name == "" || request.SourceVolumeId == "" {
		return nil, status.Error(codes.InvalidArgument, "no name or no source volume")
	}
	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	id := idOf("snap", request.Name)
	known, err := read[snapshot](c.store, "snapshots", id)
	if err == nil && known.Source != request.SourceVolumeId {
		return nil, status.Errorf(codes.AlreadyExists, "%s is a snapshot of another volume", request.Name)
	}
	if err == nil {
		return &csi.CreateSnapshotResponse{Snapshot: describeSnapshot(known)}, nil
	}
	source, err := read[volume](c.store, "volumes", request.SourceVolumeId)
	if err != nil {
		return nil, status.Errorf(codes.NotFound, "volume %s: %v", request.SourceVolumeId, err)
	}
	taken := time.Now()
	made := &snapshot{Id: id, Name: request.Name, Source: source.Id, Size: source.Capacity, shape: source.shape, Taken: taken, ReadyAt: readyAt(ctx, taken)}
	if err := c.store.createSnapshot(made); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.CreateSnapshotResponse{Snapshot: describeSnapshot(made)}, nil
}

func describeSnapshot(known *snapshot) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId:      known.Id,
		SourceVolumeId:  known.Source,
		SizeBytes:       known.Size,
		CreationTime:    timestamppb.New(known.Taken),
		ReadyToUse:      !time.Now().Before(known.ReadyAt),
		GroupSnapshotId: known.Group,
	}
}

func (c *controller) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	if request.SnapshotId == "" {
		return nil, status.Error(codes.InvalidArgument, "no snapshot id")
	}
	c.store.mutex.Lock()
	defer c.store.mutex.Unlock()
	return &csi.DeleteSnapshotResponse{}, c.store.remove("snapshots", request.SnapshotId)
}

func (c *controller) ListSnapshots(_ context.Context, request *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	snapshots, err := list[snapshot](c.store, "snapshots")
	if err != nil {
		return nil, err
	}
	asked := []*snapshot{}
	for _, known := range snapshots {
		if (request.SnapshotId == "" || request.SnapshotId == known.Id) && (request.SourceVolumeId == "" || request.SourceVolumeId == known.Source) {
			asked = append(asked, known)
		}
	}
	page, next, err := pageOf(asked, request.StartingToken, request.MaxEntries)
	if err != nil {
		return nil, err
	}
	response := &csi.ListSnapshotsResponse{NextToken: next}
	for _, known := range page {
		response.Entries = append(response.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: describeSnapshot(known)})
	}
	return response, nil
}

// pageOf takes the number of the first entry for a token.
func pageOf[T any](all []T, token string, most int32) ([]T, string, error) {
	first := 0
	if token != "" {
		number, err := strconv.Atoi(token)
		if err != nil || number < 0 || number > len(all) {
			return nil, "", status.Errorf(codes.Aborted, "no such token: %s", token)
		}
		first = number
	}
	end := len(all)
	if most > 0 && first+int(most) < end {
		end = first + int(most)
		return all[first:end], strconv.Itoa(end), nil
	}
	return all[first:end], "", nil
}
