package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// group is several snapshots of one moment; it lies in `groups/<id>`.
type group struct {
	Id   string `json:"id"`
	Name string `json:"name"`
	// Snapshots are their ids, in the order of their ids.
	Snapshots []string  `json:"snapshots"`
	Taken     time.Time `json:"taken"`
}

type groupController struct {
	csi.UnimplementedGroupControllerServer
	store *store
}

func (g *groupController) GroupControllerGetCapabilities(context.Context, *csi.GroupControllerGetCapabilitiesRequest) (*csi.GroupControllerGetCapabilitiesResponse, error) {
	rpc := &csi.GroupControllerServiceCapability_RPC{Type: csi.GroupControllerServiceCapability_RPC_CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT}
	capability := &csi.GroupControllerServiceCapability{Type: &csi.GroupControllerServiceCapability_Rpc{Rpc: rpc}}
	return &csi.GroupControllerGetCapabilitiesResponse{Capabilities: []*csi.GroupControllerServiceCapability{capability}}, nil
}

// CreateVolumeGroupSnapshot takes volumes that are file systems of their own: they can be brought to rest, all before the first is copied.
func (g *groupController) CreateVolumeGroupSnapshot(ctx context.Context, request *csi.CreateVolumeGroupSnapshotRequest) (*csi.CreateVolumeGroupSnapshotResponse, error) {
	if request.Name == "" || len(request.SourceVolumeIds) == 0 {
		return nil, status.Error(codes.InvalidArgument, "no name or no source volumes")
	}
	g.store.mutex.Lock()
	defer g.store.mutex.Unlock()
	taken := time.Now()
	made := &group{Id: idOf("group", request.Name), Name: request.Name, Taken: taken}
	snapshots := []*snapshot{}
	for _, source := range request.SourceVolumeIds {
		known, err := read[volume](g.store, "volumes", source)
		if err != nil {
			return nil, status.Errorf(codes.NotFound, "volume %s: %v", source, err)
		}
		if !known.Sized {
			return nil, status.Errorf(codes.FailedPrecondition, "volume %s cannot be brought to rest with others: it is no file system of its own", source)
		}
		id := idOf("snap", request.Name+" "+source)
		made.Snapshots = append(made.Snapshots, id)
		snapshots = append(snapshots, &snapshot{
			Id: id, Name: request.Name, Group: made.Id, Source: source, Size: known.Capacity, shape: known.shape, Taken: taken, ReadyAt: readyAt(ctx, taken),
		})
	}
	slices.Sort(made.Snapshots)
	known, err := read[group](g.store, "groups", made.Id)
	if err == nil && !slices.Equal(known.Snapshots, made.Snapshots) {
		return nil, status.Errorf(codes.AlreadyExists, "%s is there, of other volumes", request.Name)
	}
	if errors.Is(err, errNotFound) {
		known, err = made, g.store.createGroup(made, snapshots)
	}
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	described, err := g.describe(known)
	return &csi.CreateVolumeGroupSnapshotResponse{GroupSnapshot: described}, err
}

func (g *groupController) GetVolumeGroupSnapshot(_ context.Context, request *csi.GetVolumeGroupSnapshotRequest) (*csi.GetVolumeGroupSnapshotResponse, error) {
	g.store.mutex.Lock()
	defer g.store.mutex.Unlock()
	known, err := g.find(request.GroupSnapshotId, request.SnapshotIds)
	if err != nil {
		return nil, err
	}
	described, err := g.describe(known)
	return &csi.GetVolumeGroupSnapshotResponse{GroupSnapshot: described}, err
}

func (g *groupController) DeleteVolumeGroupSnapshot(_ context.Context, request *csi.DeleteVolumeGroupSnapshotRequest) (*csi.DeleteVolumeGroupSnapshotResponse, error) {
	g.store.mutex.Lock()
	defer g.store.mutex.Unlock()
	known, err := g.find(request.GroupSnapshotId, request.SnapshotIds)
	if status.Code(err) == codes.NotFound {
		return &csi.DeleteVolumeGroupSnapshotResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, id := range known.Snapshots {
		if err := g.store.remove("snapshots", id); err != nil {
			return nil, err
		}
	}
	return &csi.DeleteVolumeGroupSnapshotResponse{}, g.store.remove("groups", known.Id)
}

// find holds the caller's list of snapshots, where it has one, to the group's.
func (g *groupController) find(id string, snapshots []string) (*group, error) {
	if id == "" {
		return nil, status.Error(codes.InvalidArgument, "no group snapshot id")
	}
	known, err := read[group](g.store, "groups", id)
	if err != nil {
		return nil, status.Errorf(codes.NotFound, "group snapshot %s: %v", id, err)
	}
	asked := slices.Sorted(slices.Values(snapshots))
	if len(asked) > 0 && !slices.Equal(asked, known.Snapshots) {
		return nil, status.Errorf(codes.InvalidArgument, "group snapshot %s is of %v, not of %v", id, known.Snapshots, asked)
	}
	return known, nil
}

func (g *groupController) describe(known *group) (*csi.VolumeGroupSnapshot, error) {
	described := &csi.VolumeGroupSnapshot{GroupSnapshotId: known.Id, CreationTime: timestamppb.New(known.Taken), ReadyToUse: true}
	for _, id := range known.Snapshots {
		one, err := read[snapshot](g.store, "snapshots", id)
		if err != nil {
			return nil, status.Errorf(codes.Internal, "snapshot %s of %s: %v", id, known.Id, err)
		}
		described.Snapshots = append(described.Snapshots, describeSnapshot(one))
		described.ReadyToUse = described.ReadyToUse && described.Snapshots[len(described.Snapshots)-1].ReadyToUse
	}
	return described, nil
}
