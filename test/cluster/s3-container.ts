import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { GenericContainer } from 'testcontainers';
import type { S3Keys, S3Launch, StartedS3 } from './s3-launch.ts';
import { tempDir } from './temp-dir.ts';

const port = 9_000;
const dataDir = '/srv';

/** The same program as the native one, alone in an image that is built here, so that no registry is asked. */
export async function startS3Container(launch: S3Launch, program: string, dir: string, keys: S3Keys): Promise<StartedS3> {
  const { Wait } = await import('testcontainers');
  const image = await buildImage(launch.kind, program);
  const container = await image
    .withUser(`${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`) // so that the data can be deleted from outside
    .withBindMounts([{ source: dir, target: dataDir }])
    .withEnvironment({ ...launch.environment(keys) })
    .withCommand([...launch.arguments(`:${port}`, dataDir)])
    .withExposedPorts(port)
    .withWaitStrategy(Wait.forHttp(launch.healthPath, port))
    .withStartupTimeout(60_000)
    .start();
  const endpoint = `http://${container.getHost()}:${container.getMappedPort(port)}`;
  return { endpoint, stop: async () => void (await container.stop({ timeout: 10_000 })) };
}

/** The tag is that of the program in the cache, so that later runs find the image. */
async function buildImage(kind: string, program: string): Promise<GenericContainer> {
  const { GenericContainer, getContainerRuntimeClient, ImageName } = await import('testcontainers');
  const tag = `holdfast-test-${kind}:${basename(program).split('-').at(-1)}`;
  const engine = await getContainerRuntimeClient();
  if (await engine.image.exists(ImageName.fromString(tag))) return new GenericContainer(tag);
  const context = await tempDir('image');
  try {
    await copyFile(program, join(context, 'server'));
    await mkdir(join(context, 'tmp'));
    await writeFile(join(context, 'Dockerfile'), 'FROM scratch\nCOPY server /server\nCOPY tmp /tmp\nENTRYPOINT ["/server"]\n');
    return await GenericContainer.fromDockerfile(context).build(tag, { deleteOnExit: false });
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}
