"""Names of settings of real training scripts, taken from their sources.

None of them is the name of a score, however much it sounds like one.
"""

from __future__ import annotations

DETR = """
lr lr_backbone batch_size weight_decay epochs lr_drop clip_max_norm frozen_weights backbone dilation
position_embedding enc_layers dec_layers dim_feedforward hidden_dim dropout nheads num_queries
pre_norm masks set_cost_class set_cost_bbox set_cost_giou mask_loss_coef dice_loss_coef
bbox_loss_coef giou_loss_coef eos_coef dataset_file coco_path coco_panoptic_path remove_difficult
output_dir device seed resume start_epoch eval num_workers world_size dist_url n_parameters
""".split()
"""facebookresearch/detr, main.py; without aux_loss, which its logs could have as well."""

TIMM = """
config data_dir dataset train_split val_split dataset_download class_map model pretrained
initial_checkpoint resume no_resume_opt num_classes gp img_size input_size crop_pct mean std
interpolation batch_size validation_batch_size channels_last torchscript fuser grad_checkpointing
opt opt_eps opt_betas momentum weight_decay clip_grad clip_mode layer_decay sched lr lr_noise
lr_noise_pct lr_noise_std lr_cycle_mul lr_cycle_decay lr_cycle_limit lr_k_decay warmup_lr min_lr
epochs epoch_repeats start_epoch decay_milestones decay_epochs warmup_epochs cooldown_epochs
patience_epochs decay_rate no_aug scale ratio hflip vflip color_jitter aa aug_repeats aug_splits
bce_target_thresh reprob remode recount resplit mixup cutmix cutmix_minmax mixup_prob
mixup_switch_prob mixup_mode mixup_off_epoch smoothing train_interpolation drop drop_connect
drop_path drop_block bn_momentum bn_eps sync_bn
""".split()
"""huggingface/pytorch-image-models, train.py; without the flags jsd_loss and bce_loss."""

ULTRALYTICS = """
agnostic_nms amp angle augment auto_augment batch bgr box cache cfg channels_last classes
close_mosaic cls cls_pw cls_remap compile conf copy_paste copy_paste_mode cos_lr cutmix data degrees
deterministic device dfl dgrad dis distill_model dlam dlog dnn dropout dynamic embed epochs erasing
exist_ok fliplr flipud format fraction freeze hsv_h hsv_s hsv_v imgsz kobj line_width lr0 lrf
mask_ratio max_det mixup mode model momentum mosaic multi_scale name nbs nms opset optimize
optimizer overlap_mask patience perspective plots pose pretrained profile project quantize rect
resume retina_masks rle save save_conf save_crop save_frames save_json save_period save_txt scale
seed shear show show_boxes show_conf show_labels simplify single_cls source split stream_buffer task
time tracker translate val verbose vid_stride visualize warmup_bias_lr warmup_epochs warmup_momentum
weight_decay workers workspace
""".split()
"""ultralytics 8.4, cfg/default.yaml; without iou, which is held in ``train_args``."""

NNUNET = """
channel_idx chill chk clean configuration continue_prediction csv_file_name custom_splits d
dataset_id dataset_json dataset_name_or_id device disable_checkpointing disable_ensembling
disable_progress_bar disable_tta djfile exp_cv_preds f fold fpe gpu_memory_target gt_folder i il
input_dir input_folder l m model no_overwrite no_pbar no_pp not_on_device not_strict np npfp npp nps
npz num_gpus num_parts o output_dataset_name output_dir overlay_intensity overwrite_id
overwrite_plans_name overwrite_target_spacing p part_id pfile pl plans_json plans_name pp_pkl_file
pred_folder preprocessor_name pretrained_weights prev_stage_predictions ref remove_postprocessed s
save_npz save_probabilities sp step_size t test_dir tp tr url use_raw val val_best verbose
verify_dataset_integrity zip
""".split()
"""nnunetv2 2.8, every argument of its commands."""

TRANSFORMERS = """
accelerator_config activation_checkpointing activation_checkpointing_kwargs adam_beta1 adam_beta2
adam_epsilon auto_find_batch_size average_tokens_across_devices batch_eval_metrics bf16
bf16_full_eval data_seed dataloader_drop_last dataloader_in_order dataloader_num_workers
dataloader_persistent_workers dataloader_pin_memory dataloader_prefetch_factor ddp_backend
ddp_broadcast_buffers ddp_bucket_cap_mb ddp_find_unused_parameters ddp_static_graph ddp_timeout
debug deepspeed disable_tqdm do_eval do_predict do_train enable_jit_checkpoint
eval_accumulation_steps eval_delay eval_do_concat_batches eval_on_start eval_steps eval_strategy
eval_use_gather_object fp16 fp16_full_eval fsdp fsdp_config full_determinism generation_config
generation_max_length generation_num_beams gradient_accumulation_steps gradient_checkpointing
gradient_checkpointing_kwargs greater_is_better hub_always_push hub_model_id hub_private_repo
hub_revision hub_strategy hub_token ignore_data_skip include_for_metrics
include_num_input_tokens_seen label_names label_smoothing_factor learning_rate length_column_name
liger_kernel_config load_best_model_at_end local_rank log_level log_level_replica log_on_each_node
logging_first_step logging_nan_inf_filter logging_steps logging_strategy lr_scheduler_kwargs
lr_scheduler_type max_grad_norm max_steps metric_for_best_model neftune_noise_alpha num_train_epochs
optim optim_args optim_target_modules output_dir parallelism_config per_device_eval_batch_size
per_device_train_batch_size predict_with_generate prediction_loss_only project push_to_hub
remove_unused_columns report_to restore_callback_states_from_checkpoint resume_from_checkpoint
run_name save_on_each_node save_only_model save_steps save_strategy save_total_limit seed
skip_memory_metrics sortish_sampler tf32 torch_compile torch_compile_backend torch_compile_mode
torch_empty_cache_steps train_sampling_strategy use_cache use_cpu use_liger_kernel warmup_steps
weight_decay
""".split()
"""transformers 5, the fields of Seq2SeqTrainingArguments."""

OTHERS = """
grad_norm map_location loss_scale loss_weight iou_threshold iou_thres conf_thres nms_iou
pos_iou_thr target_kl vf_coef ent_coef clip_range gae_lambda reward_scale reward_threshold
num_return_sequences return_dict accumulate_grad_batches acc_steps grad_acc gradient_acc acc_grad
top_p top_k fl_gamma score_thr best_epoch best_step best_iter best_iou_step best_dice_epoch
kl_weight dice_weight ce_weight lambda_dice lambda_l1 map_size feature_map class_map hidden_map
recall_weight mixed_precision amp_precision matmul_precision fp16_precision world_rank node_rank
local_rank lora_rank rank per_gpu bs_per_gpu n_per_class samples_per_gpu mos exact hd ks per der ce
a1 a2 a3 d1 delta1 cache_hit hidden_score world_map cooldown parameter number_of_errors
""".split()
