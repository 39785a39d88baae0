// A cluster of one master, which no other node ever tells its address, serves through the proxy.

import t from 'tap'
import { ownCluster, randomName } from '../fixtures/cluster.ts'
import { startTestProxy } from '../fixtures/proxy.ts'
import { rawClient } from '../fixtures/raw-client.ts'

t.test('a cluster of one master serves through the proxy', async (t) => {
  const cluster = await ownCluster(t, { masters: 1, replicas: 0 })
  const { port } = await startTestProxy(t, { upstream: [...cluster.addresses] })
  const client = await rawClient(port)
  t.teardown(client.destroy)
  const key = randomName('key')
  t.equal(await client.call('SET', key, 'value'), 'OK')
  t.equal(await client.call('GET', key), 'value')
})
