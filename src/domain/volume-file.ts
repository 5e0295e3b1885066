/** A file, folder or other entry of a volume, as its backup has it. */
export interface VolumeFile {
  /** From the volume's root: `/src/main.ts`. */
  readonly path: string;
  readonly type: 'file' | 'dir' | 'symlink' | 'dev' | 'chardev' | 'fifo' | 'socket' | 'irregular';
  /** Bytes, of files. */
  readonly size?: number;
  /** As `ls -l` writes it: `-rw-r--r--`. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  /** RFC 3339. */
  readonly modified: string;
}
