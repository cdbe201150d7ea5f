export { LOSSES, type LossName } from './loss-names.js';
export type { LossSettings } from './objective.js';
export {
  type CosineScheduleOptions,
  type Decay,
  learningRates,
  type Schedule,
  type ScheduleOptions,
} from './schedule.js';
export { checkSettings, type TrainSettings, type TrainSettingsInput } from './train-settings.js';
export { type TrainEvent, Trainer, type TrainerOptions, type TrainOutcome } from './trainer.js';
export { useTrainingBackend } from './use-training-backend.js';
export type { VerificationFigures } from './verification.js';
export type { RunFigures } from './write-report.js';
