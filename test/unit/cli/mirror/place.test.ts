import { expect, it } from '@jest/globals'
import { placeOf } from '../../../../src/cli/mirror/place.ts'

it.each([
  ['redis://127.0.0.1:6379', 'redis://127.0.0.1'],
  ['redis://127.0.0.1:6379', 'redis://127.0.0.1:6379/'],
  ['redis://127.0.0.1:6379', 'redis://user:p%40ss@localhost/0'],
  ['redis://db.example:7000/3', 'rediss://a:b@db.example:7000/3'],
  ['redis+cluster://a:1,b:2', 'rediss+cluster://me:secret@a:1,b:2'],
  ['lmdb:./a', 'lmdb:./a'],
  ['etcd://127.0.0.1', 'etcds://user:p%40ss@localhost:2379/'],
  ['etcd://a:2379,b:3', 'etcd://b:3,a'],
  ['http://localhost:8080/x', 'https://:secret@127.0.0.1:8080/x/'],
  ['http://a', 'https://a:443/'],
])('%s and %s are the same place', (a, b) => {
  expect(placeOf(a)).toBe(placeOf(b))
})

it.each([
  ['redis://127.0.0.1:6379', 'redis://127.0.0.1:6380'],
  ['redis://127.0.0.1:6379/1', 'redis://127.0.0.1:6379/0'],
  ['redis://127.0.0.1:6379/10', 'redis://127.0.0.1:6379/1'],
  ['redis://a', 'redis+cluster://a'],
  ['lmdb:./a', 'lmdb:./b'],
  ['etcd://a', 'etcd://a:2380'],
  ['http://a/x', 'http://a/y'],
])('%s and %s are not', (a, b) => {
  expect(placeOf(a)).not.toBe(placeOf(b))
})
