import { type OthersReason, reasonOfOthers } from '../schedule/other-clusters.ts';
import type { World } from './world.ts';

/** Whose sets the service's retention leaves alone: of every cluster but its own and those that it was given. */
export function othersOf(world: Pick<World, 'home' | 'rules'>): OthersReason {
  return reasonOfOthers(world.home?.identity, world.rules().adopted);
}
