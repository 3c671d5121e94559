import { codec } from '../../api/message.ts'
import { model } from '../../api/model.ts'
import type { Model } from '../../api/model.ts'
import { messageTypes } from '../value-options.ts'
import type { TypeOptions } from '../value-options.ts'

/** What `--proto` and `--type` say, as models whose values servers read and write as JSON. @throws UsageError */
export async function servedModels(options: TypeOptions): Promise<Model<unknown>[]> {
  const types = await messageTypes(options)
  return types.map(([prefix, format]) =>
    model(
      prefix,
      codec<unknown>({
        encode: (value) => format.encode(value),
        decode: (bytes) => format.decode(bytes),
      }),
      { json: { toJson: (value) => value, fromJson: (json) => json } },
    ),
  )
}
