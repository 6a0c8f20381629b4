<?php

namespace App\Console\Commands;

use App\Exceptions\OpenWaException;
use App\Models\Campaign;
use App\Services\CampaignScheduler;
use Illuminate\Console\Command;

/** For a time in which no events came through: asks the manager what became of each message of a campaign. */
class ReconcileCampaign extends Command
{
    protected $signature = 'wa:reconcile {campaign : its id}';

    protected $description = 'Compare the messages of a campaign with what the manager knows of them';

    public function handle(CampaignScheduler $campaigns): int
    {
        $campaign = Campaign::findOrFail($this->argument('campaign'));
        try {
            $campaigns->reconcile($campaign);
        } catch (OpenWaException $refusal) {
            $this->error($refusal->getMessage());

            return 1;
        }
        foreach ($campaign->counts() as $status => $count) {
            $this->line("$count $status");
        }

        return 0;
    }
}
