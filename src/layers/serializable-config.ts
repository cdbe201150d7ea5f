import { serialization } from '@tensorflow/tfjs-core';
import { CosFaceError } from '../native/errors.js';

/** How tfjs-layers writes an initialiser or a regulariser into a saved model. */
export interface SerializedObject {
  className: string;
  config: serialization.ConfigDict;
}

export function serializeObject(object: serialization.Serializable): serialization.ConfigDict {
  return { className: object.getClassName(), config: object.getConfig() };
}

/** An object of a class that tfjs-layers has registered, from `serializeObject`'s form; objects pass through. */
export function deserializeObject<T extends serialization.Serializable>(name: string, value: T | SerializedObject): T {
  if (value instanceof serialization.Serializable) return value;
  const entry = serialization.SerializationMap.getMap().classNameMap[value.className];
  if (!entry) {
    throw new CosFaceError(
      'COSFACE_OPTION_RANGE',
      `${name} has the class '${value.className}', which is not registered. Register it with ` +
        'tf.serialization.registerClass() before loading the model.',
      { argument: name },
    );
  }
  const [objectClass, fromConfig] = entry;
  return fromConfig(objectClass, value.config) as T;
}
