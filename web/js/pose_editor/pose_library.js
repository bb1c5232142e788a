/**
 * Poses by the names that Load Pose lists: bundled ones, `my poses/…` in the user's folder on the server, which Save Pose
 * writes to as well, and .json files in the host's input folder.
 */
import { poseName, said } from './texts.js'
import { fileParameters } from './tracing.js'

const OWN = 'my poses/'
const OWN_FOLDER = 'cfld/poses' // nodes/pose_files.py own_poses()
const BUNDLED = new URL('../../poses/', import.meta.url)
/** A name that is a file's on every system, as Save Pose wants them. */
const FILE_NAME = /^[\p{L}\p{N}_-][\p{L}\p{N}_ .-]{0,99}(?<![ .])$/u

/** The bundled poses by what they show, in the order of the gallery. */
export const CATEGORIES = {
  standing: [
    'standing_front', 'standing_three_quarter_left', 'standing_three_quarter_right', 'standing_facing_left',
    'standing_facing_right', 'standing_back', 'back_three_quarter_left', 'back_three_quarter_right',
    'looking_over_shoulder', 'standing_contrapposto', 'standing_legs_crossed', 'leaning_on_wall', 'a_pose', 't_pose'
  ],
  arms: [
    'hand_on_hip', 'hands_on_hips', 'hands_in_pockets', 'arms_crossed', 'hands_behind_head', 'hand_in_hair',
    'hand_on_chin', 'arms_up', 'waving', 'pointing', 'carrying_box', 'upper_body_front'
  ],
  moving: [
    'walking_front', 'walking_side', 'catwalk', 'running_front', 'running_side', 'climbing_stairs', 'jumping', 'dancing',
    'dancing_ballet', 'fighting_stance', 'lunging'
  ],
  low: [
    'sitting_on_chair_front', 'sitting_on_chair_side', 'sitting_legs_crossed', 'sitting_cross_legged',
    'sitting_on_floor_side', 'squatting', 'kneeling', 'kneeling_on_one_knee', 'bowing'
  ]
}

export const isOwn = (name) => name.startsWith(OWN)

/** api is the page's own. Every method but picture() asks the server, and raises Error where it refuses. */
export class PoseLibrary {
  #api

  constructor(api) {
    this.#api = api
  }

  /** The names of the user's own poses, as they are now. */
  async ownNames() {
    const files = await this.#api.listUserDataFullInfo(OWN_FOLDER)
    const paths = files.map(({ path }) => path).filter((path) => path.endsWith('.json'))
    return paths.map((path) => OWN + path.slice(0, -'.json'.length)).sort()
  }

  /** The address of a bundled pose's picture. */
  picture(name) {
    return new URL(`${name}.png`, BUNDLED).href
  }

  /** The file of a pose, for a `PoseReader`. */
  async read(name) {
    const answer = await this.#fetch(name)
    if (!answer.ok) throw new Error(said('library.missing', { name }))
    return answer.blob()
  }

  /** Keeps JSON text as one of the user's own poses, without overwriting another. */
  async save(name, text) {
    const isName = name.split('/').every((part) => FILE_NAME.test(part))
    if (!isName) throw new Error(said('library.name', { name }))
    const answer = await this.#api.storeUserData(`${OWN_FOLDER}/${name}.json`, text, {
      overwrite: false, stringify: false, throwOnError: false
    })
    if (answer.status === 409) throw new Error(said('library.taken', { name }))
    if (!answer.ok) throw new Error(said('library.refused', { name, status: answer.status }))
  }

  async remove(name) {
    const answer = await this.#api.deleteUserData(ownPath(name))
    if (!answer.ok) throw new Error(said('library.missing', { name }))
  }

  #fetch(name) {
    if (isOwn(name)) return this.#api.getUserData(ownPath(name))
    if (/\.json$/i.test(name)) return this.#api.fetchApi(`/view?${fileParameters(name)}`)
    return fetch(new URL(`${name}.json`, BUNDLED))
  }
}

/** What a pose is called in the gallery. */
export const poseTitle = (name) => (isOwn(name) ? name.slice(OWN.length) : poseName(name))

const ownPath = (name) => `${OWN_FOLDER}/${name.slice(OWN.length)}.json`
